/* SPDX-License-Identifier: ISC */
/* The messages of the queue: a table of all, a heap of those that wait. */
#ifndef WAITING_H
#define WAITING_H

#include "clock.h"
#include "queuefile.h"

enum {
	MESSAGE_NEW = 1,       /* it is in new/, else in msg/ */
	MESSAGE_OLD = 2,       /* from before our start: may have been tried */
	MESSAGE_LOGGED = 4,    /* there is, or may be, an id.log */
	MESSAGE_COMMITTED = 8, /* it was read once, and was whole */
};

/* Where a message is in its life: life.c, and the table in smtpd-send(8). */
enum step {
	STEP_WAITING,    /* in the heap, for its time */
	STEP_UNREADY,    /* the same: it was locked or unfinished */
	STEP_HELD,       /* it is not tried; maybe in the heap, to expire */
	STEP_ASKING,     /* smtpd-rcpt is asked who the recipients are */
	STEP_RECORDING,  /* its answer is being synced */
	STEP_DELIVERING, /* recipients are with their transports */
	STEP_NOTIFYING,  /* smtpd-bounce is asked for a notice */
	STEP_SYNCING,    /* results are being synced */
};
#define STEPS (STEP_SYNCING + 1)

/* What to do when the message is due. */
enum due {
	DUE_LOOK, /* its log decides */
	DUE_TRY,  /* an attempt, if it is not held */
	DUE_NOW,  /* an attempt, whatever its log says */
};

/* 100,000 of these wait in memory: all else is read again when it is due. */
struct message {
	struct message *chain; /* the table's */
	struct job *job;       /* its details while it is worked on, or NULL */
	instant due;
	uint32_t place;     /* in the heap, from 1; 0: not there */
	uint32_t parked_at; /* hash of a destination that it waits for, or 0 */
	uint16_t attempts;
	uint16_t looks;  /* at which it was locked, in a row */
	uint8_t flags;   /* MESSAGE_* */
	uint8_t step;    /* enum step */
	uint8_t due_for; /* enum due */
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
	return m->step >= STEP_ASKING;
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

/* The waiting messages by the time they are due, the next one on top. */
struct heap {
	struct message **at;
	size_t n, cap;
};

/* Makes room for n: for every message there is, in the heap or not. */
bool heap_reserve(struct heap *, size_t n) MUST_CHECK;

/* Puts it in as due then, or moves it there. */
void heap_put(struct heap *, struct message *, instant due);

/* Takes it out, if it is in. */
void heap_remove(struct heap *, struct message *);

static inline struct message *
heap_top(const struct heap *h)
{
	return h->n > 0 ? h->at[0] : NULL;
}

void heap_free(struct heap *);

#endif
