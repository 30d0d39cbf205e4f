/* SPDX-License-Identifier: ISC */
/* The users with mail to deliver, and the line of it that each has. */
#ifndef DEST_H
#define DEST_H

#include "span.h"

struct rcpt;

struct dest {
	struct dest *chain; /* in its bucket */
	struct dest *ready_next;
	struct rcpt *head, *tail; /* mail, the oldest first */
	unsigned running;         /* slots */
	bool ready;               /* stands in the line for a slot */
	bool kept;                /* not to be freed now */
	char name[];
};

#define DEST_BUCKETS 1024

struct dests {
	struct dest *bucket[DEST_BUCKETS];
};

/* The user, or NULL; get makes him (NULL: no memory). */
struct dest *dest_find(const struct dests *, struct span name);
struct dest *dest_get(struct dests *, struct span name);

/* Frees it, unless it is still of use. */
void dest_drop(struct dests *, struct dest *);

/* To the end of its line, and back to the front of it. */
void dest_push(struct dest *, struct rcpt *);
void dest_push_back(struct dest *, struct rcpt *);

/* From the front; there must be one. */
struct rcpt *dest_pop(struct dest *);

#endif
