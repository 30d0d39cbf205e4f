/* SPDX-License-Identifier: ISC */
/* The filter that signs mail of our own users: the only reader of DKIM keys. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "log.h"
#include "signing.h"

/* What the filter does, then reading keys, then what libcrypto asks for. */
static const int calls[] = { SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_close,
	SYS_write, SYS_read,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_writev, SYS_getrandom, SYS_clock_gettime, SYS_brk, SYS_mmap,
	SYS_mremap, SYS_munmap, SYS_mprotect, SYS_rt_sigprocmask,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group, SYS_openat,
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
	SYS_fstat, SYS_getdents64, SYS_lseek, SYS_fcntl, SYS_geteuid,
	SYS_getegid, SYS_futex, SYS_getpid, SYS_gettid, SYS_madvise, SYS_uname,
	SYS_ioctl, SYS_prlimit64, SYS_sysinfo };

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
 * Afterwards there is nothing in the file system but the keys. Where their
 * directory is not, there are none.
 */
static void
confine_to_keys(struct conf *conf)
{
	struct confine_path paths[2];
	struct confine keep = {
		.calls = calls, .ncalls = nitems(calls), .paths = paths
	};
	const char *dir;

	if (conf->dkim_keys[0] != '\0' && is_there(conf->dkim_keys))
		paths[keep.npaths++] = (struct confine_path){ conf->dkim_keys,
			CONFINE_READ };
	else if (errno == ENOENT)
		conf->dkim_keys = "";
	dir = conf->dkim_key[0] == '\0' ? NULL : directory_of(conf->dkim_key);
	if (dir != NULL && is_there(dir))
		paths[keep.npaths++] = (struct confine_path){ dir,
			CONFINE_READ };
	else if (dir != NULL)
		warn_sys("dkim_key: cannot open '%s'", dir);
	if (!confine(&keep, conf))
		die_sys(EXIT_TEMP, "cannot confine");
}

int
main(int argc, char *argv[])
{
	static struct signing signing;
	static struct conf conf;
	static struct filter filter;

	filter_start(&filter, argc, argv, &conf);
	confine_to_keys(&conf);
	signing_init(&signing, &filter);
	return filter_run(&filter, signing_take, &signing);
}
