/* SPDX-License-Identifier: ISC */
/* Local deliveries: a line for each user, and slots that talk to his process. */
#ifndef LOCAL_H
#define LOCAL_H

#include "dest.h"
#include "job.h"

/* "INDEX STAGE HOST TEXT" of at most 8 KiB, and the framing. */
#define LOCAL_VERDICT_MAX (8 * 1024)
#define LOCAL_ROOM (LOCAL_VERDICT_MAX + 64)

/* After so many messages a process ends, that others get their turn. */
#define LOCAL_BATCH 100
#define LOCAL_BATCH_SHARED 10 /* when others wait */

/*
 * A delivery that takes longer leaves its place to another one, up to
 * LOCAL_SLOW_MAX such: who stops his own delivery stops nobody else's.
 */
#define LOCAL_SLOW_MS 5000
#define LOCAL_SLOW_MAX 32

/*
 * So many messages are given to a process before its verdict on the first: it
 * writes them all and then has them synced together.
 */
#define LOCAL_AHEAD 8

/* One connection to a user's smtpd-local. */
struct slot {
	struct slot *prev, *next; /* by since, oldest first */
	struct dest *dest;
	struct rcpt *given[LOCAL_AHEAD]; /* no verdict yet, in order */
	unsigned ngiven;
	instant since;   /* when it was last given one, or gave a verdict */
	unsigned served; /* messages */
	int fd;
	bool named; /* its process knows the user */
	bool slow;  /* gave up its place */
	size_t len;
	char in[LOCAL_ROOM];
};

struct local {
	struct dests dests;
	struct dest *ready, **ready_tail; /* in turn */
	struct slot *oldest, *newest;
	unsigned nslots, nslow;
	struct sbuf out; /* frames on their way */
	instant again;   /* lspawn is not dialled before */
	bool failing;    /* it was logged that it cannot be reached */
};

void local_init(struct local *);

/* Is everybody it goes to busy, or all of us, so that it would only wait? */
bool local_must_wait(struct sched *, const struct job *);

/* The slot's descriptor is readable. The slot may be gone afterwards. */
void local_ready(struct sched *, struct slot *);

/* Starts what can start, ends what is late; the next instant, or NEVER. */
instant local_pump(struct sched *);

#endif
