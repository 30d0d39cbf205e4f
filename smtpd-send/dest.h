/* SPDX-License-Identifier: ISC */
/* Where mail goes to, users or other hosts, and the lines of it that wait. */
#ifndef DEST_H
#define DEST_H

#include "schedule.h"
#include "span.h"

struct job;
struct rcpt;
struct slot;

/* Mail that was just taken, and mail that was waiting for its next try. */
enum line { LINE_NEW, LINE_OLD, LINES };

/* Of so many in turn one is from the old line while there is new mail. */
#define LINE_TURNS 4

/*
 * A line is of parcels: recipients of one message that go together. The first
 * of them represents the parcel; the others are linked by its also.
 */
struct dest {
	struct dest *chain; /* in its bucket */
	struct dest *ready_next[LINES];
	struct rcpt *head[LINES], *tail[LINES]; /* the oldest first */
	unsigned waiting;                       /* parcels in both */
	struct rcpt *last;                      /* that came into any */
	unsigned joined;                        /* recipients of its parcel */
	unsigned running;                       /* slots */
	struct slot *idle;                      /* those that have nothing */
	unsigned turn;
	bool ready[LINES]; /* is in the line for a slot */
	bool kept;         /* not to be freed now */

	/* Of other hosts: */
	struct pace pace;
	uint32_t hash;   /* of the name, never 0 */
	unsigned parked; /* messages that wait on disk for it, about */
	bool watched;    /* one of those comes when it can be tried again */
	char *why;       /* malloc'ed "host reply": of its death, or NULL */
	char name[];
};

#define DEST_BUCKETS 1024

struct dests {
	struct dest *bucket[DEST_BUCKETS];
};

/* The destination, or NULL; get makes it (NULL: no memory). */
struct dest *dest_find(const struct dests *, struct span name);
struct dest *dest_get(struct dests *, struct span name);

/* Frees it, unless it is still of use; one that is dead is. */
void dest_drop(struct dests *, struct dest *);

/* Forgets those that have been dead since before that, and unused. */
void dest_sweep(struct dests *, instant before);

/* To the end of a line, as a parcel of its own. */
void dest_push(struct dest *, enum line, struct rcpt *);

/*
 * Into the last parcel of that line, when it is of the same message and holds
 * fewer than max. False: it does not fit.
 */
bool dest_join(struct dest *, enum line, struct rcpt *, unsigned max);

/* Does the last parcel of one of its lines belong to the job? */
bool dest_has(const struct dest *, const struct job *);

/* Back to the front. */
void dest_push_back(struct dest *, enum line, struct rcpt *);

/* The next parcel, or NULL; and the same, taken out of its line. */
struct rcpt *dest_next(const struct dest *);
struct rcpt *dest_pop(struct dest *);

#endif
