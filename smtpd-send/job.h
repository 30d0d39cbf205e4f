/* SPDX-License-Identifier: ISC */
/* A message that is being worked on: its recipients, and its log. */
#ifndef JOB_H
#define JOB_H

#include "queued.h"
#include "schedule.h"
#include "waiting.h"

struct sched;
struct job;

enum rcpt_state {
	RCPT_OPEN,     /* to be tried */
	RCPT_BUSY,     /* with its transport: waits there, or is tried */
	RCPT_DEFERRED, /* tried; again at the next attempt */
	RCPT_FAILED,   /* refused for good; its sender is to be told */
	RCPT_DELIVERED,
	RCPT_BOUNCED, /* its sender was told */
};

/* One delivery: an addressee, or one of the recipients it was expanded to. */
struct rcpt {
	struct rcpt *next; /* in its destination's line */
	struct rcpt *also; /* in one transaction with it */
	struct job *job;
	char *reply;     /* malloc'ed "HOST REPLY" of the last try, or NULL */
	uint32_t target; /* in job->text: the payload of a T frame */
	uint32_t route;  /* there too: the operator's destination, or 0 */
	uint32_t index;  /* its number within the message */
	uint16_t addressee; /* number of the R frame */
	uint8_t state;      /* enum rcpt_state */
	bool recorded;      /* its verdict has a record */
};

enum addressee_state {
	ADDRESSEE_UNASKED,
	ADDRESSEE_EXPANDED, /* there are rcpts of it */
	ADDRESSEE_DEFERRED, /* smtpd-rcpt cannot tell now */
	ADDRESSEE_REFUSED, /* smtpd-rcpt refuses it; the sender is to be told */
	ADDRESSEE_BOUNCED, /* its sender was told */
};

/* One R frame: a recipient as the sender has named it. */
struct addressee {
	char *reply;   /* as a rcpt's */
	uint32_t path; /* in job->text, with the angle brackets */
	uint8_t state; /* enum addressee_state */
	bool local;
};

/* What the operator wants done with the message. */
enum will {
	WILL_DELIVER,
	WILL_HOLD,   /* nothing, until it is released */
	WILL_BOUNCE, /* give it up, and tell its sender */
	WILL_REMOVE, /* throw it away without a notice */
};

/* Why the log says that a message is not tried. */
enum hold {
	HOLD_NONE,
	HOLD_CRASH,   /* its delivery crashes: until it expires */
	HOLD_EXPIRED, /* given up: its sender is to be told */
	HOLD_OTHER,
};

/* How far the attempt is that runs. Each value includes the one before. */
enum attempt {
	ATTEMPT_NONE,     /* no result yet */
	ATTEMPT_HEARD,    /* a recipient has a result */
	ATTEMPT_PLANNED,  /* not all are delivered: the next one is planned */
	ATTEMPT_RECORDED, /* it is in the log, and counted */
};

/* The notice that smtpd-bounce is asked for. */
enum notice {
	NOTICE_NONE,
	NOTICE_REFUSED, /* to the sender: of recipients that were refused */
	NOTICE_EXPIRED, /* the same, and of all that wait: it is given up */
	NOTICE_ORDERED, /* the same: the operator gives it up */
	NOTICE_DELAYED, /* to the sender: it is still being tried */
	NOTICE_HELD,    /* to postmaster: its delivery crashes */
};

/* The log of the message, as far as we have read or written it. */
struct job_log {
	uint64_t length;
	struct sbuf unsaved; /* records that the file does not have yet */
	unsigned nrcpts;     /* rcpts that have their record */
	bool begun;          /* unsaved, or the file, has the first line */
	bool fresh;          /* its name may not be on disk */
	bool first;          /* it must be, before the first delivery */
};

struct job {
	struct message *message;
	int fd; /* locked; -1: closed while it waits */
	uint64_t nonce;
	uint64_t size;    /* octets as received */
	struct sbuf text; /* NUL-ended strings; places in it, 0: none */
	uint32_t sender;  /* its path, in text */
	struct addressee *addressees;
	struct rcpt *rcpts; /* stay where they are once one is busy */
	unsigned naddressees, nrcpts, cap;
	uint32_t next_index; /* for rcpts beyond the first of an addressee */
	struct job_log log;

	/* The state of the message, as its log will have it. */
	enum will will;
	enum hold hold;
	uint32_t ordered; /* in text: the last order, "WHAT WHO"; or 0 */
	unsigned crashes;
	bool told_delay, told_hold;
	bool junk; /* so marked: it is not sent on */

	/* The attempt that runs. */
	enum attempt attempt;
	struct schedule_next plan;
	unsigned busy;      /* rcpts that are RCPT_BUSY, and guards */
	unsigned running;   /* of those, the ones a process has */
	bool crashed;       /* a delivery of it has */
	instant wake;       /* untried: when it may be, and */
	uint32_t parked_at; /* for which destination it waits */
	enum notice notice; /* what smtpd-bounce is asked for */
	bool untold;        /* it could not: not to be asked again yet */

	struct job *ask_next;     /* intake: in line */
	unsigned ask_at;          /* intake: the next addressee to look at */
	unsigned unanswered;      /* intake: asked for, no answer yet */
	struct job *bouncer_next; /* bouncer: in line */
	struct job *sync_next;    /* sync: in line */
	uint8_t sync;             /* sync: enum sync_state */
};

/* --- reading, and forgetting -------------------------------------------------- */

/* A job of the message, not loaded yet. It owns fd now, even on failure. */
struct job *job_new(struct sched *, struct message *, int fd) MUST_CHECK;

/*
 * Fills it from the file at fd, and from the log. After any other result than
 * QUEUED_OK there is nothing to do but job_free.
 */
enum queued_result job_load(struct sched *, struct job *, int fd) MUST_CHECK;

void job_free(struct sched *, struct job *);

/*
 * Opens and locks the message if its file was closed. A message whose lock is
 * said to have leaked is opened all the same.
 */
enum spool_result job_open_file(struct sched *, struct job *) MUST_CHECK;
void job_close_file(struct sched *, struct job *);

/* --- recipients ----------------------------------------------------------------- */

/* Adds a rcpt of the addressee. False: no room, or malformed. */
bool job_expand(struct sched *, struct job *, unsigned addressee,
    struct span target) MUST_CHECK;

/* Leaves n rcpts: the answer that brought the others was cut. */
void job_unexpand(struct sched *, struct job *, unsigned n);

/* How many recipients are not settled yet. */
unsigned job_left(const struct job *);
bool rcpt_is_done(const struct rcpt *);
bool addressee_is_done(const struct addressee *);

/* Are there refusals that the sender has not been told of? */
bool job_has_failed(const struct job *);

/* ATTEMPT of the delivery conversation: 0 when surely never tried. */
unsigned job_attempt(const struct job *);

/* Attempts so far, the one that runs and was heard of too. */
static inline unsigned
job_tries(const struct job *job)
{
	bool runs = job->attempt == ATTEMPT_HEARD ||
	    job->attempt == ATTEMPT_PLANNED;

	return job->message->attempts + (unsigned)runs;
}

/* Sets "HOST TEXT", or NULL without memory; and the parts of it. */
void job_keep_reply(char **reply, struct span host, struct span text);
struct span job_reply_host(const char *reply);
struct span job_reply_text(const char *reply);

/* Keeps the text of an order, "WHAT WHO", or of a route. */
void job_keep_order(struct job *, struct span text);
bool job_keep_route(struct rcpt *, struct span destination) MUST_CHECK;

struct span job_sender(const struct job *);  /* its path */
struct span job_ordered(const struct job *); /* the last order, or empty */
struct span addressee_path(const struct job *, unsigned addressee);

/* "user NAME <address>" or "remote <path>", and its parts. */
struct span rcpt_target(const struct rcpt *);
struct span rcpt_user(const struct rcpt *); /* empty: remote */
struct span rcpt_address(const struct rcpt *);

/* Where the operator sends it, a destination as of route_find; or empty. */
struct span rcpt_route(const struct rcpt *);

/* --- the log ---------------------------------------------------------------------- */

/* Add to log.unsaved; all recipients have their records before any other. */
void job_log_rcpts(struct job *);
void job_log_verdict(struct sched *, struct job *, enum progress_kind,
    uint32_t number, struct span reply);
void job_log(struct job *, const struct progress_record *);

/*
 * Writes what is unsaved, unsynced, moving the message to msg/ first. False:
 * it could not, which is logged.
 */
bool job_save(struct sched *, struct job *);

#endif
