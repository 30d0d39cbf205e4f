/* SPDX-License-Identifier: ISC */
/* What the log says: each message that was accepted, and its end. */
#ifndef LOGGED_H
#define LOGGED_H

#include "line.h"

/* --- problems -------------------------------------------------------------- */

enum problem {
	PROBLEM_LOST,       /* a recipient without an end, and no queue file */
	PROBLEM_UNTOLD,     /* an end by a notice that was not accepted */
	PROBLEM_UNLOGGED,   /* an end in the queue that the log does not have */
	PROBLEM_DAMAGED,    /* a queue file that cannot be delivered */
	PROBLEM_GAP,        /* lines that are missing or incomplete */
	PROBLEM_TWICE,      /* delivered more than once */
	PROBLEM_TOLD_TWICE, /* its sender was told more than once */
	PROBLEM_BOTH,       /* delivered, and its sender was told it was not */
	PROBLEM_UNACCEPTED, /* in the queue or at an end, never acknowledged */
	PROBLEMS,
};

struct problems {
	uint64_t count[PROBLEMS];
};

/* Prints "<name> <id> <who>: <text>"; id may be NULL, who and text ASCII. */
void problem_add(struct problems *, enum problem, const struct mailid *,
    struct span who, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* "<name> <count>" of each. */
void problem_print(const struct problems *);

/* The exit status: 0 no problem, 1 not proven, 2 proven, but done twice. */
int problem_status(const struct problems *);

/* --- a set of messages that are done with --------------------------------- */

/* 16 octets an entry, at most three of four in use. */
struct mailset {
	struct mailset_entry {
		uint64_t time; /* 0: free */
		uint32_t random, flags;
	} * entries;
	size_t size, used; /* size: 0 or a power of two */
};

/* The entry, or NULL. */
struct mailset_entry *mailset_find(const struct mailset *,
    const struct mailid *);

/* --- messages -------------------------------------------------------------- */

/* Ends, as bits: a recipient has one of them, or something is wrong. */
enum {
	END_DELIVERED = 1,
	END_BOUNCED = 2,  /* refused for good, and the sender was told */
	END_EXPIRED = 4,  /* given up, and the sender was told */
	END_DROPPED = 8,  /* no sender to tell */
	END_REMOVED = 16, /* by the operator */
};
#define END_TOLD (END_BOUNCED | END_EXPIRED | END_DROPPED)

/*
 * One alias: the first of its recipients has its number,
 * the others have numbers from others on.
 */
struct logged_alias {
	uint32_t number, others, count;
};

/* A message that is not settled yet, as far as was read. */
struct logged_mail {
	struct logged_mail *next; /* in its bucket */
	struct mailid id, about;  /* about: what this is a notice of */
	char *to;      /* the recipients that were logged, a line each */
	uint8_t *ends; /* by number */
	struct logged_alias *aliases;
	uint32_t nends, naliases; /* members of these */
	uint32_t nrcpt, expected; /* recipients, with and without aliases */
	uint32_t ended;           /* numbers with an end */
	bool accepted, null_sender;
	bool is_notice; /* of smtpd-bounce: some recipient's end must name it */
	bool named;     /* as the notice by which a sender was told */
	bool dropped;   /* smtpd-bounce says there is no sender to tell */
	bool removed;   /* smtpd-send says that it has left the queue */
};

struct logged_totals {
	uint64_t messages, recipients; /* accepted */
	uint64_t delivered, bounced, expired, dropped, discarded;
	uint64_t waiting, held, older, meanwhile;
	uint64_t again; /* deliveries that were recognised as repeated */
};

/*
 * How far back the log reaches, in microseconds since 1970. Each service may
 * have its own, and each of those another first day.
 */
struct reach {
	int file;       /* the one that is read */
	uint64_t first; /* its first acceptance; 0: none yet */
	bool empty;     /* and before that the queue was empty */
	bool sends;     /* it has a line of smtpd-send's */
	/* The earliest of all files, by entrance; UINT64_MAX: none. */
	uint64_t in, user, own;
	uint64_t ends; /* from when on there are ends; 0: from the first */
};

struct logged {
	struct logged_mail **buckets;
	size_t nbuckets, nmails; /* nbuckets: a power of two */
	struct mailset finished;
	struct reach reach;
	struct logged_totals totals;
	struct problems problems;
};

void logged_init(struct logged *);

/* A logfile_line: takes what matters from it. Lines may come in any order. */
void logged_line(void *ledger, struct span line, int file);

/* What is still open, or NULL. */
struct logged_mail *logged_find(const struct logged *, const struct mailid *);

/* May the message, or the notice, have been accepted before its log begins? */
bool reach_is_before(const struct reach *, const struct mailid *);
bool reach_is_before_notices(const struct reach *, const struct mailid *);

/* May what was done with it at first be missing in the log? */
bool reach_is_partial(const struct reach *, const struct mailid *);

/* Has the message a recipient of that number? And which end has it? */
bool logged_has(const struct logged_mail *, uint32_t n);
unsigned logged_end(const struct logged_mail *, uint32_t n);

/* All numbers are below this. */
uint32_t logged_numbers(const struct logged_mail *);

/* The address that was written to, as far as it was logged. */
struct span logged_address(const struct logged_mail *, uint32_t n);

/* Has every recipient an end, and no other number? */
bool logged_is_complete(const struct logged_mail *);

/* Counts an accepted message and the ends that its recipients have. */
void logged_count(struct logged *, const struct logged_mail *);

#endif
