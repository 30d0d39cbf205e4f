/* SPDX-License-Identifier: ISC */
/* How every program of the chain starts. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "program.h"

/* A descriptor opened later must never become 0, 1 or 2 by accident. */
static void
open_standard_fds(void)
{
	struct pollfd p[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	if (poll(p, nitems(p), 0) == 0)
		return;
	for (size_t i = 0; i < nitems(p); i++)
		if ((p[i].revents & POLLNVAL) != 0 &&
		    open("/dev/null", O_RDWR) == -1)
			_exit(EXIT_TEMP);
}

static void
set_progname(const char *argv0)
{
	const char *slash = argv0 == NULL ? NULL : strrchr(argv0, '/');

	if (argv0 != NULL)
		progname = slash == NULL ? argv0 : slash + 1;
}

_Noreturn static void
bad_usage(const char *usage)
{
	die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ...%s%s", progname,
	    *usage == '\0' ? "" : " ", usage);
}

static void
check(enum conf_result r, const char *path, const struct conf_where *where)
{
	switch (r) {
	case CONF_OK:
		return;
	case CONF_BAD:
		if (where->line == 0)
			die(EXIT_PERM, "%s: %s", path, where->what);
		die(EXIT_PERM, "%s:%u: %s", path, where->line, where->what);
	case CONF_IOERR:
		die_sys(EXIT_TEMP, "cannot read '%s'", path);
	}
}

/*
 * Finds where the operands begin, and keeps the -c and -o words before them
 * in conf->args, each as two words.
 */
static int
parse_options(int argc, char *argv[], struct conf *conf, const char *usage)
{
	int i;

	conf->nargs = 0;
	conf->args = calloc(2 * (size_t)argc + 1, sizeof(*conf->args));
	if (conf->args == NULL)
		die_sys(EXIT_TEMP, "cannot start");
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		char option = argv[i][1];
		const char *value = argv[i] + 2;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (option != 'c' && option != 'o')
			bad_usage(usage);
		if (*value == '\0') {
			if (++i == argc)
				bad_usage(usage);
			value = argv[i];
		}
		conf->args[conf->nargs++] = option == 'c' ? "-c" : "-o";
		conf->args[conf->nargs++] = value;
	}
	return i < argc ? i : argc;
}

static void
load(struct conf *conf)
{
	struct conf_where where = { 0 };
	bool given = false;

	for (unsigned i = 0; i < conf->nargs; i += 2) {
		const char *path = conf->args[i + 1];

		if (conf->args[i][1] != 'c')
			continue;
		check(conf_load(conf, path, &where), path, &where);
		given = true;
	}
	if (!given)
		check(conf_load(conf, CONF_DEFAULT_FILE, &where),
		    CONF_DEFAULT_FILE, &where);
	for (unsigned i = 0; i < conf->nargs; i += 2) {
		struct span value = span_str(conf->args[i + 1]), name;

		if (conf->args[i][1] != 'o')
			continue;
		where = (struct conf_where){ 0 };
		if (span_find(value, '=') == value.n)
			die(EXIT_PERM, "-o %s: not name=value",
			    conf->args[i + 1]);
		name = span_trim(span_cut(&value, '='));
		if (conf_set(conf, name, span_trim(value), &where) != CONF_OK)
			die(EXIT_PERM, "-o %s: %s", conf->args[i + 1],
			    where.what);
	}
	where = (struct conf_where){ 0 };
	if (conf_finish(conf, &where) != CONF_OK)
		die(EXIT_PERM, "configuration: %s", where.what);
}

int
program_start(int argc, char *argv[], struct conf *conf, enum program_user user,
    const char *usage)
{
	int first;

	open_standard_fds();
	set_progname(argv[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	if (user == PROGRAM_UNPRIVILEGED && (getuid() == 0 || geteuid() == 0))
		die(EXIT_PERM, "must not run as root");
	conf_init(conf);
	first = parse_options(argc, argv, conf, usage);
	load(conf);
	return first;
}
