/* SPDX-License-Identifier: ISC */
/* Deliveries of one kind: a line for each destination, slots that serve it. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "life.h"
#include "schedule.h"

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

/* Forgets those that have been dead since before that, and unused. */
void dest_sweep(struct dests *, instant before);

/* Does the last parcel of one of its lines belong to the job? */
bool dest_has(const struct dest *, const struct job *);

/* The next parcel, taken out of its line. */
struct rcpt *dest_pop(struct dest *);

/* --- slots, and the transport that has them ----------------------------------------- */

/* "INDEX STAGE HOST TEXT" of at most 8 KiB, and the framing. */
#define SLOT_VERDICT_MAX (8 * 1024)
#define SLOT_ROOM (SLOT_VERDICT_MAX + 512)

/* After so many messages a process ends, that others get their turn. */
#define SLOT_BATCH 100
#define SLOT_BATCH_SHARED 10 /* when others wait */

#define SLOT_TLS 80 /* octets kept of a t frame */

#define SLOT_AHEAD 8 /* parcels that a slot can have at once */

/* One connection to a process that delivers to one destination. */
struct slot {
	struct slot *prev, *next; /* by since, oldest first */
	struct transport *transport;
	struct dest *dest;
	struct slot *idle_next;
	struct rcpt *given[SLOT_AHEAD]; /* parcels without verdicts, in order */
	unsigned ngiven;
	instant since;   /* when it was last given one, or gave a verdict */
	unsigned served; /* messages */
	struct chan chan;
	bool named; /* its process knows the destination */
	bool slow;  /* gave up its place */
	bool idle;  /* has nothing, and is kept for a while */
	size_t tls_len;
	char tls[SLOT_TLS]; /* for the verdicts of given[0] */
	char in[SLOT_ROOM];
};

/* The differences of local and remote deliveries: dispatch.c has both. */
struct transport_kind {
	const char *program; /* that is dialled */
	const char *stage;   /* of failures that are ours to word */
	unsigned parcel;     /* recipients in one transaction */

	/*
	 * Parcels that are given to a process before its verdict on the
	 * first: it may have them synced together.
	 */
	unsigned ahead;

	/*
	 * A delivery that takes longer leaves its place to another one, up to
	 * slow_max such: a user delays only his own mail. 0: never.
	 */
	unsigned slow_ms, slow_max;
	unsigned idle_ms; /* a slot is kept for, when its line is empty */

	/* Slots that the destination may have. */
	unsigned (*limit)(const struct sched *, const struct dest *);
	/* It gave a verdict on one recipient, or died of the message. */
	void (*heard)(struct sched *, struct dest *, const struct outcome *);
	/* A parcel was taken out of its line. */
	void (*moved)(struct sched *, struct dest *);
};

struct transport {
	const struct transport_kind *kind;
	const char *helper;
	unsigned places;     /* slots at once */
	uint64_t timeout_ms; /* of one delivery */
	struct dests dests;
	struct dest *ready[LINES], **ready_tail[LINES]; /* in turn */
	unsigned turn;
	struct slot *oldest, *newest;
	unsigned nslots, nslow;
	struct sbuf out; /* frames on their way */
	instant again;   /* the helper is not dialled before */
	bool failing;    /* it was logged that it cannot be reached */
};

/* A fifth of the places is kept for mail that was just taken. */
static inline unsigned
transport_places(const struct transport *t, enum line line)
{
	return line == LINE_NEW ? t->places : t->places - t->places / 5;
}

void transport_init(struct transport *, const struct transport_kind *,
    const char *helper, unsigned places, uint64_t timeout_ms);

/* Puts the rcpt, which is RCPT_BUSY, into the line. */
void transport_submit(struct sched *, struct transport *, struct dest *,
    struct rcpt *);

/* Is there no slot free for a destination, or for anybody? */
bool transport_is_full(const struct sched *, const struct transport *,
    const struct dest *);

/* A destination may have more slots now. */
void transport_wake(struct sched *, struct transport *, struct dest *);

/* The descriptor of the slot is readable; the slot may be gone afterwards. */
void transport_ready(struct sched *, void *slot);

/* Starts what can start, ends what is late; the next instant, or NEVER. */
instant transport_pump(struct sched *, struct transport *);

/* --- the delivery conversation: talk.c ------------------------------------------------ */

/*
 * Hands a parcel over; the first time it names the destination before. False
 * when it could not be sent: then no process has it. out: room for the
 * frames.
 */
bool talk_give(struct slot *, const struct rcpt *, struct sbuf *out) MUST_CHECK;

enum heard_kind {
	HEARD_NOTHING, /* not all there yet */
	HEARD_VERDICT, /* outcome */
	HEARD_DEATH,   /* how, why; crash: its own fault */
	HEARD_END,     /* end of file, or the connection broke */
	HEARD_NONSENSE,
};

struct heard {
	struct outcome outcome; /* views into the slot */
	struct rcpt *rcpt;      /* whose it is */
	bool crash;
	char how[32]; /* "signal=11" */
	char why[96]; /* a reply line */
};

/* Reads what is there, without waiting. */
enum heard_kind talk_hear(struct slot *, struct heard *);

/*
 * Parses what was read: talk_hear without reading. A frame before a verdict
 * that is for all of its message goes into the slot.
 */
enum heard_kind talk_parse(struct slot *, struct heard *);

#endif
