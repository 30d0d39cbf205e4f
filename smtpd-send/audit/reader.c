/* SPDX-License-Identifier: ISC */
/* A program that reads the log and the queue, and does nothing else. */
#include "reader.h"

#include <errno.h>
#include <sys/syscall.h>

#include "confine.h"
#include "log.h"
#include "queued.h"

/* What strangers said stands in the log: parse it with nothing to lose. */
static void
give_up_rights(const struct conf *conf, int queue)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_writev,
		SYS_openat, SYS_pread64, SYS_close, SYS_fstat, SYS_newfstatat,
		SYS_getdents64, SYS_lseek, SYS_fcntl, SYS_ioctl, SYS_ppoll,
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef SYS_open
		SYS_open,
#endif
		SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap,
		SYS_mprotect, SYS_madvise, SYS_rt_sigreturn,
		SYS_restart_syscall, SYS_exit_group };
	const struct confine_path paths[] = { { conf->queue, CONFINE_READ } };
	const struct confine c = { .calls = calls,
		.ncalls = nitems(calls),
		.paths = paths,
		.npaths = queue != -1 ? nitems(paths) : 0 };

	if (!confine(&c, conf))
		die_sys(EXIT_TEMP, "cannot confine itself");
}

int
reader_begin(const struct conf *conf)
{
	int dir = queued_dir(conf->queue), saved = errno;

	give_up_rights(conf, dir);
	errno = saved;
	return dir;
}
