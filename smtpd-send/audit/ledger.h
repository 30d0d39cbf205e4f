/* SPDX-License-Identifier: ISC */
/* The books: what was accepted, and to which end each recipient came. */
#ifndef LEDGER_H
#define LEDGER_H

#include "finding.h"
#include "line.h"

/* Ends, as bits: a recipient has one of them, or something is wrong. */
enum {
	END_DELIVERED = 1,
	END_BOUNCED = 2,  /* refused for good, and his sender was told */
	END_EXPIRED = 4,  /* given up, and his sender was told */
	END_DROPPED = 8,  /* there was nobody to tell */
	END_REMOVED = 16, /* by the operator */
};
#define END_TOLD (END_BOUNCED | END_EXPIRED | END_DROPPED)

/*
 * One alias: of the recipients that it stands for the first has its number,
 * the others have numbers from others on.
 */
struct expansion {
	uint32_t origin, others, count;
};

/* A message that has not come to its end yet, as far as was read. */
struct mail {
	struct mail *next;       /* in its bucket */
	struct mailid id, about; /* about: what this is a notice of */
	char *to;      /* the recipients that were logged, a line each */
	uint8_t *ends; /* by number */
	struct expansion *expansions;
	uint32_t nends, nexpansions; /* members of these */
	uint32_t nrcpt, expected;    /* recipients, with and without aliases */
	uint32_t ended;              /* numbers with an end */
	bool accepted, null_sender;
	bool is_notice; /* of smtpd-bounce, so that somebody must name it */
	bool named;     /* as the notice by which somebody was told */
	bool dropped;   /* smtpd-bounce says there is nobody to tell */
	bool removed;   /* smtpd-send says that it has left the queue */
};

struct totals {
	uint64_t messages, recipients; /* accepted */
	uint64_t delivered, bounced, expired, dropped, discarded;
	uint64_t waiting, held, older, meanwhile;
	uint64_t again; /* deliveries that were recognised as repeated */
};

/*
 * How far back the log reaches, in microseconds since 1970. Each service may
 * have its own, and each of those another first day.
 */
struct extent {
	int file;       /* the one that is read */
	uint64_t first; /* its first acceptance; 0: none yet */
	bool empty;     /* and before that the queue was empty */
	bool sends;     /* it has a line of smtpd-send's */
	/* The earliest of all files, by entrance; UINT64_MAX: none. */
	uint64_t in, user, own;
	uint64_t ends; /* from when on there are ends; 0: from the first */
};

struct ledger {
	struct mail **buckets;
	size_t nbuckets, nmails; /* nbuckets: a power of two */
	struct mailset finished;
	struct extent extent;
	struct totals totals;
	struct findings findings;
};

void ledger_init(struct ledger *);

/* A source_line: takes what matters from it. Their order does not matter. */
void ledger_line(void *ledger, struct span line, int file);

/* What is still open, or NULL. */
struct mail *ledger_find(const struct ledger *, const struct mailid *);

void extent_init(struct extent *);
/* id: NULL of a line about no message. */
void extent_take(struct extent *, const struct mailid *, const struct line *,
    int file);

/* May this, or this notice, have been accepted before the log of that? */
bool extent_is_before(const struct extent *, const struct mailid *);
bool extent_is_before_notices(const struct extent *, const struct mailid *);

/* May what was done with it at first be missing? */
bool extent_is_partial(const struct extent *, const struct mailid *);

/* Has the message a recipient of that number? And to which end did he come? */
bool mail_has(const struct mail *, uint32_t n);
unsigned mail_end(const struct mail *, uint32_t n);

/* Numbers lie below this. */
uint32_t mail_numbers(const struct mail *);

/* The address that was written to, as far as it was logged. */
struct span mail_address(const struct mail *, uint32_t n);

/* Every recipient there is has an end, and nobody else. */
bool mail_is_complete(const struct mail *);

/* Counts an accepted message and the ends that its recipients have. */
void ledger_tally(struct ledger *, const struct mail *);

#endif
