/* SPDX-License-Identifier: ISC */
/* What is kept of every message in the queue, and the table of them. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "clock.h"
#include "queuefile.h"

enum {
	MESSAGE_NEW = 1,      /* stands in new/, else in msg/ */
	MESSAGE_OLD = 2,      /* from before our start: may have been tried */
	MESSAGE_LOGGED = 4,   /* there is, or may be, an id.log */
	MESSAGE_FORCED = 8,   /* try it now, whatever its log says */
	MESSAGE_UNREADY = 16, /* was locked or unfinished when last seen */
	MESSAGE_HELD = 32,    /* stays, and is not tried */
	MESSAGE_SEEN = 64,    /* was read once */
	MESSAGE_REPORT = 128, /* is due before its time: to be reported */
};

/* 100,000 of these wait in memory: all else is read again when it is due. */
struct message {
	struct message *chain; /* the table's */
	struct job *job;       /* its details while it is worked on, or NULL */
	instant due;
	uint32_t place;     /* in the heap, from 1; 0: not there */
	uint32_t parked_at; /* hash of a destination that it waits for, or 0 */
	uint16_t attempts;
	uint16_t looks; /* at which it was locked, in a row */
	uint8_t flags;
	char id[QUEUE_ID_SIZE];
};

struct table {
	struct message **bucket;
	size_t nbuckets; /* a power of two, or 0 */
	size_t count;
};

/* An id's random part: spreads buckets and retries. */
uint32_t message_seed(const char *id);

/* The message of the id, or NULL. */
struct message *table_find(const struct table *, const char *id);

/* A new one, all else zero; the id must not be there. NULL: no memory. */
struct message *table_add(struct table *, const char *id);

/* Forgets and frees it; it is in no heap any more. */
void table_remove(struct table *, struct message *);

/* Is it being worked on? */
static inline bool
message_is_active(const struct message *m)
{
	return m->job != NULL && m->place == 0;
}

/*
 * Goes through the table while it changes: appends the ids of one more bucket,
 * QUEUE_ID_LEN octets each. Starts with *cursor 0, and is 0 again after the
 * last. A message that is there all the time is met once, however the table
 * has grown.
 */
void table_scan(const struct table *, uint32_t *cursor, struct sbuf *ids);

/* The first, and the one after m; NULL: no more. Nothing may change between. */
struct message *table_first(const struct table *);
struct message *table_after(const struct table *, const struct message *m);

#endif
