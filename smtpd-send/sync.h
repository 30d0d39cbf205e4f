/* SPDX-License-Identifier: ISC */
/* fdatasync elsewhere: a child waits for the disk, the loop does not. */
#ifndef SYNC_H
#define SYNC_H

#include "job.h"

#define SYNC_INFLIGHT 32 /* logs that the child has at once */

enum sync_state { SYNC_NONE, SYNC_LINE, SYNC_SENT };

/* One log at the child; answers come in the same order. */
struct sync_sent {
	struct job *job; /* NULL: gone meanwhile */
	int fd, dir;     /* kept for a child that comes after; dir or -1 */
};

struct sync {
	int fd;                   /* to the child; -1: there is none */
	struct job *head, **tail; /* jobs that wait to be sent */
	struct sync_sent sent[SYNC_INFLIGHT];
	unsigned first, nsent, nwritten; /* nwritten: given to this child */
	instant again;                   /* no new child before */
};

void sync_init(struct sync *);

/*
 * Starts the child. Call it first of all, so that a system without resources
 * is seen, and the child has none of our descriptors. conf NULL: we are
 * confined, and so is the child. False with errno.
 */
bool sync_start(struct sync *, const struct conf *) MUST_CHECK;

/* The log of the job is to be on disk: job_synced tells. */
void sync_ask(struct sched *, struct job *);

/* The job goes away. */
void sync_forget(struct sched *, struct job *);

/* The child's descriptor is readable. */
void sync_ready(struct sched *);

/* Sends what waits. Gives when it wants to be called again, or NEVER. */
instant sync_pump(struct sched *);

#endif
