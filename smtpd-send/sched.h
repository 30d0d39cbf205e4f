/* SPDX-License-Identifier: ISC */
/* The scheduler: what its parts share. */
#ifndef SCHED_H
#define SCHED_H

#include "conf.h"
#include "control.h"
#include "heap.h"
#include "intake.h"
#include "job.h"
#include "local.h"
#include "pause.h"
#include "remote.h"
#include "report.h"
#include "schedule.h"
#include "sync.h"

/* Recipients in memory, beyond which messages stay on disk. */
#define SCHED_RCPTS_MAX 200000

struct sched {
	const struct conf *conf;
	int queue;        /* the queue directory */
	instant now;      /* of this turn of the loop */
	uint64_t wall;    /* the same, us since 1970 */
	uint64_t started; /* wall us */
	struct clockwatch clock;
	struct table table;
	struct heap heap;
	size_t nrcpts;   /* of all jobs */
	size_t nopen;    /* descriptors of all jobs */
	size_t open_max; /* beyond, a waiting job gives its own up */
	instant pause;   /* no message is opened before */
	struct intake intake;
	struct transport local, remote;
	instant sweep; /* of remote destinations */
	struct reports reports;
	struct sync sync;
	struct pauses pauses;
	struct controls control;
	bool stopping;
};

#endif
