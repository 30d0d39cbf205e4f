/* SPDX-License-Identifier: ISC */
/* How every program of the chain starts. */
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "ip.h"
#include "program.h"

#define WHY_MAX 65536 /* more than the longest line of a file */
/* The log, the listening socket, files that NSS opens. */
#define DESCRIPTORS_MORE 32
#define DESCRIPTORS_FEWEST 4

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

static bool
is_log_the_client(void)
{
	struct stat client, log;

	return ip_of_peer(2).size != 0 && fstat(0, &client) == 0 &&
	    fstat(2, &log) == 0 && client.st_dev == log.st_dev &&
	    client.st_ino == log.st_ino;
}

/*
 * inetd makes the connection 2 as well. The log is not for the client, which
 * under TLS would take it for a broken record: it goes to /dev/log or nowhere.
 */
static void
keep_log_from_client(void)
{
	static const struct sockaddr_un log = { AF_UNIX, "/dev/log" };
	int fd;

	if (!is_log_the_client())
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (const void *)&log, sizeof(log)) == -1) {
		(void)close(fd);
		fd = -1;
	}
	if (fd == -1)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd == -1 || dup2(fd, 2) == -1)
		_exit(EXIT_TEMP);
	(void)close(fd);
}

static void
set_progname(const char *argv0)
{
	const char *slash = argv0 == NULL ? NULL : strrchr(argv0, '/');

	if (argv0 != NULL)
		progname = slash == NULL ? argv0 : slash + 1;
}

_Noreturn static void
program_bad_usage(const char *usage)
{
	die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ...%s%s", progname,
	    *usage == '\0' ? "" : " ", usage);
}

static enum exitcode
program_judge(enum conf_result r, const char *path,
    const struct conf_where *where, struct sbuf *why)
{
	switch (r) {
	case CONF_OK:
		return EXIT_OK;
	case CONF_BAD:
		sbuf_adds(why, path);
		if (where->line != 0)
			sbuf_addf(why, ":%u", where->line);
		sbuf_addf(why, ": %s", where->what);
		return EXIT_PERM;
	case CONF_IOERR:
		sbuf_addf(why, "cannot read '%s': %s", path, strerror(errno));
		return EXIT_TEMP;
	}
	return EXIT_BUG;
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
			program_bad_usage(usage);
		if (*value == '\0') {
			if (++i == argc)
				program_bad_usage(usage);
			value = argv[i];
		}
		conf->args[conf->nargs++] = option == 'c' ? "-c" : "-o";
		conf->args[conf->nargs++] = value;
	}
	return i < argc ? i : argc;
}

static enum exitcode
load_files(struct conf *conf, struct sbuf *why)
{
	struct conf_where where = { 0 };
	bool given = false;

	for (unsigned i = 0; i < conf->nargs; i += 2) {
		const char *path = conf->args[i + 1];
		enum exitcode e;

		if (conf->args[i][1] != 'c')
			continue;
		e = program_judge(conf_load(conf, path, &where), path, &where,
		    why);
		if (e != EXIT_OK)
			return e;
		given = true;
	}
	return given ? EXIT_OK :
		       program_judge(conf_load(conf, CONF_DEFAULT_FILE, &where),
			   CONF_DEFAULT_FILE, &where, why);
}

static enum exitcode
set_option(struct conf *conf, const char *option, struct sbuf *why)
{
	struct span value = span_str(option), name;
	struct conf_where where = { 0 };

	if (span_find(value, '=') == value.n) {
		sbuf_addf(why, "-o %s: not name=value", option);
		return EXIT_PERM;
	}
	name = span_trim(span_cut(&value, '='));
	if (conf_set(conf, name, span_trim(value), &where) == CONF_OK)
		return EXIT_OK;
	sbuf_addf(why, "-o %s: %s", option, where.what);
	return EXIT_PERM;
}

enum exitcode
program_load(struct conf *conf, struct sbuf *why)
{
	struct conf_where where = { 0 };
	enum exitcode e = load_files(conf, why);

	for (unsigned i = 0; e == EXIT_OK && i < conf->nargs; i += 2)
		if (conf->args[i][1] == 'o')
			e = set_option(conf, conf->args[i + 1], why);
	if (e == EXIT_OK && conf_finish(conf, &where) != CONF_OK) {
		sbuf_addf(why, "configuration: %s", where.what);
		e = EXIT_PERM;
	}
	return e;
}

int
program_start(int argc, char *argv[], struct conf *conf, enum program_user user,
    const char *usage)
{
	struct sbuf why;
	enum exitcode e;
	int first;

	open_standard_fds();
	keep_log_from_client();
	set_progname(argv[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	if (user == PROGRAM_UNPRIVILEGED && (getuid() == 0 || geteuid() == 0))
		die(EXIT_PERM, "must not run as root");
	conf_init(conf);
	first = parse_options(argc, argv, conf, usage);
	sbuf_init(&why, WHY_MAX);
	e = program_load(conf, &why);
	if (e != EXIT_OK)
		die(e, "%s", why.s);
	sbuf_free(&why);
	return first;
}

size_t
program_descriptors(size_t want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		die_sys(EXIT_TEMP, "cannot get the limit of descriptors");
	if (r.rlim_cur < want + DESCRIPTORS_MORE) {
		r.rlim_cur = r.rlim_max < want + DESCRIPTORS_MORE ?
		    r.rlim_max :
		    want + DESCRIPTORS_MORE;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			die_sys(EXIT_TEMP,
			    "cannot raise the limit of descriptors");
	}
	if (r.rlim_cur >= want + DESCRIPTORS_MORE)
		return want;
	if (r.rlim_cur < DESCRIPTORS_FEWEST + DESCRIPTORS_MORE)
		die(EXIT_TEMP, "%llu descriptors are too few",
		    (unsigned long long)r.rlim_cur);
	warn("room for only %llu connections, not for %zu: raise the limit of "
	     "descriptors",
	    (unsigned long long)r.rlim_cur - DESCRIPTORS_MORE, want);
	return (size_t)r.rlim_cur - DESCRIPTORS_MORE;
}
