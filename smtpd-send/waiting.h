/* SPDX-License-Identifier: ISC */
/* The messages of the queue: on disk, a table of all, a heap of those that wait. */
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

/* --- the queue directory: spool.c ------------------------------------------------ */

/*
 * Creates and syncs missing directories of the queue, and takes its lock.
 * Fatal if it cannot; EXIT_TEMP also if another scheduler is there. Gives the directory's descriptor; the lock lasts as long as we do.
 */
int spool_start(const char *queue);

enum spool_result {
	SPOOL_OPENED,
	SPOOL_GONE,       /* there is no such message */
	SPOOL_RECEIVED,   /* it is being written */
	SPOOL_LOCKED,     /* committed, and a delivery has it */
	SPOOL_UNREADABLE, /* not locked, but its mode is not 0400 yet */
	SPOOL_IOERR,      /* errno says */
};

/*
 * Opens and locks it; *fd is the caller's. With insist a committed one is
 * opened even if another process has locked it.
 */
enum spool_result spool_open(int queue, const struct message *, bool insist,
    int *fd) MUST_CHECK;

/* Opens it to be read only, without a lock; -1: errno says. */
int spool_peek(int queue, const struct message *) MUST_CHECK;

/* The list of paused destinations, open for reading and writing. */
int spool_paused_open(int queue) MUST_CHECK;

/* Moves it, unsynced, from new/ to msg/, if it is not there yet. */
bool spool_settle(int queue, struct message *) MUST_CHECK;

/* Moves it to torn/. */
bool spool_put_aside(int queue, const struct message *) MUST_CHECK;

/* Removes the message; its log is then an orphan. */
bool spool_remove(int queue, const struct message *) MUST_CHECK;

/* Its log: open for reading and writing (-1: errno says), removed. */
int spool_log_open(int queue, const char *id, bool create) MUST_CHECK;
void spool_log_remove(int queue, const char *id);

/* The shard directory that the log is in, to sync the name with. */
int spool_log_dir(int queue, const char *id) MUST_CHECK;

enum spool_kind {
	SPOOL_MESSAGE,
	SPOOL_LOG,
	SPOOL_STRAY, /* nothing that belongs there */
};

/*
 * Calls each with every file of one shard of dir ("new" or "msg"); name is
 * the id, or the whole name of a stray one. False with errno when it cannot
 * be listed (a missing one is empty).
 */
bool spool_list(int queue, const char *dir, unsigned shard,
    void (*each)(void *, enum spool_kind, const char *name),
    void *arg) MUST_CHECK;

#endif
