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
	const struct confine keep = {
		.calls = { SYS_openat, SYS_fstat, SYS_newfstatat,
		    SYS_getdents64, SYS_fcntl, SYS_ioctl, SYS_open },
		.paths = { { queue != -1 ? conf->queue : NULL, CONFINE_READ } },
	};

	confine(&keep, conf);
}

int
reader_begin(const struct conf *conf)
{
	int dir = queued_dir(conf->queue), saved = errno;

	give_up_rights(conf, dir);
	errno = saved;
	return dir;
}
