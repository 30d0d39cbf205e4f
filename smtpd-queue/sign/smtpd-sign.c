/* SPDX-License-Identifier: ISC */
/* The adviser that signs our own users' mail: the only reader of DKIM keys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "program.h"
#include "serve.h"
#include "signing.h"

/*
 * The entrances that ask us: each may have as many conversations as it can, so
 * that one kind does not take the place of another.
 */
#define ENTRANCES 4
#define SPARE 64    /* conversations of an entrance beside those of sessions */
#define REHEARSED 8 /* domains */

/* What an adviser does, then reading keys, then what libcrypto asks for. */
/* Can it be opened? If not, errno says why. */
static bool
is_there(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd == -1)
		return false;
	(void)close(fd);
	return true;
}

/* Is it not there, or empty? When nobody can tell, messages have to wait. */
static bool
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	if (dir == NULL)
		return errno == ENOENT;
	while ((e = readdir(dir)) != NULL && e->d_name[0] == '.')
		;
	(void)closedir(dir);
	return e == NULL;
}

/* The directory that a file is in, so that another file may take its place. */
static const char *
directory_of(const char *file)
{
	size_t slash = span_rfind(span_str(file), '/');
	char *path;

	if (slash == 0)
		return "/";
	path = strndup(file, slash);
	if (path == NULL)
		die_sys(EXIT_TEMP, "cannot start");
	return path;
}

/*
 * What stays to be read: the keys. Where their directory is not, or is empty,
 * there are none, until a successor sees that this has changed.
 */
static void
find_keys(struct conf *conf, struct confine_path *paths)
{
	size_t n = 0;
	const char *dir;

	if (conf->dkim_keys[0] != '\0') {
		serve_reads(conf->dkim_keys);
		if (is_empty(conf->dkim_keys))
			conf->dkim_keys = "";
		else if (is_there(conf->dkim_keys))
			paths[n++] = (struct confine_path){ conf->dkim_keys,
				CONFINE_READ };
	}
	if (conf->dkim_key[0] == '\0')
		return;
	dir = directory_of(conf->dkim_key);
	serve_reads(dir);
	if (is_there(dir))
		paths[n] = (struct confine_path){ dir, CONFINE_READ };
	else
		warn_sys("dkim_key: cannot open '%s'", dir);
}

/* With a few keys: what many signatures need is ready then for all. */
static void
rehearse(struct signing *signing, const struct conf *conf)
{
	const struct dirent *e;
	DIR *dir = NULL;
	int left = REHEARSED;

	if (conf->dkim_domain[0] != '\0')
		signing_rehearse(signing, span_str(conf->dkim_domain));
	if (conf->dkim_keys[0] != '\0')
		dir = opendir(conf->dkim_keys);
	if (dir == NULL)
		return;
	while (left > 0 && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.') {
			signing_rehearse(signing, span_str(e->d_name));
			left--;
		}
	(void)closedir(dir);
}

int
main(int argc, char *argv[])
{
	static struct signing signing;
	static struct conf conf;
	struct confine keep = {
		.calls = { SYS_getrandom, SYS_openat, SYS_newfstatat, SYS_fstat,
		    SYS_getdents64, SYS_fcntl, SYS_geteuid, SYS_getegid,
		    SYS_futex, SYS_getpid, SYS_gettid, SYS_uname, SYS_ioctl,
		    SYS_prlimit64, SYS_sysinfo },
	};
	struct serve_how how = { .start = SERVE_AT_ACCEPT };

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "there are no operands");
	how.limit = ENTRANCES * ((unsigned)conf.max_sessions + SPARE);
	serve_warm(argv, &how);
	find_keys(&conf, keep.paths);
	signing_init(&signing, &conf);
	if (serve_is_warm())
		rehearse(&signing, &conf);
	serve_connections(&keep, &conf);
	serve_confine(&keep, &conf);
	return advise_run(&signing_adviser, &signing, &conf);
}
