/* SPDX-License-Identifier: ISC */
/* A message that is being worked on: its recipients and what became of them. */
#ifndef JOB_H
#define JOB_H

#include "message.h"
#include "progress.h"
#include "schedule.h"

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

/* One delivery: what one R frame is, or was expanded to. */
struct rcpt {
	struct rcpt *next; /* in its destination's line */
	struct rcpt *also; /* in one transaction with it */
	struct job *job;
	char *reply;     /* malloc'ed "HOST REPLY" of the last try, or NULL */
	uint32_t target; /* in job->text: the payload of a T frame */
	uint32_t route;  /* there too: the operator's destination, or 0 */
	uint32_t index;  /* its number within the message */
	uint16_t origin; /* number of the R frame */
	uint8_t state;   /* enum rcpt_state */
	bool recorded;   /* its verdict has a record */
};

enum origin_state {
	ORIGIN_UNASKED,
	ORIGIN_EXPANDED, /* there are rcpts of it */
	ORIGIN_DEFERRED, /* smtpd-rcpt cannot tell now */
	ORIGIN_REFUSED,  /* smtpd-rcpt says nobody; its sender is to be told */
	ORIGIN_BOUNCED,  /* its sender was told */
};

/* One R frame. */
struct origin {
	char *reply;   /* as a rcpt's */
	uint32_t path; /* in job->text, with the angle brackets */
	uint8_t state; /* enum origin_state */
	bool local;
};

/* What smtpd-bounce is asked to say. */
enum report_kind {
	REPORT_NONE,
	REPORT_FAILED,  /* to the sender: refused, or given up */
	REPORT_DELAYED, /* to the sender: still being tried */
	REPORT_HELD,    /* to postmaster: its delivery crashes */
};

/* Why a message is not tried: by its log. */
enum hold {
	HOLD_NONE,
	HOLD_CRASH,   /* its delivery crashes: until it expires */
	HOLD_EXPIRED, /* given up: its sender is to be told */
	HOLD_OTHER,
};

#define JOB_RCPTS_MAX 20000 /* of one message, aliases expanded */

struct job {
	struct message *message;
	int fd; /* locked; -1: closed while it waits */
	uint64_t nonce;
	uint64_t size;    /* octets as received */
	struct sbuf text; /* NUL-ended strings; the sender's path at 0 */
	struct origin *origins;
	struct rcpt *rcpts; /* stay where they are once one is busy */
	unsigned norigins, nrcpts, cap;
	uint32_t next_index; /* for rcpts beyond the first of an origin */
	unsigned busy;       /* rcpts that are RCPT_BUSY, and guards */
	unsigned running;    /* of those, the ones a process has */
	unsigned crashes;
	bool planned; /* plan is chosen for this try */
	struct schedule_next plan;

	uint64_t log_length;
	struct sbuf unsaved;     /* records that the log does not have yet */
	unsigned nlogged;        /* rcpts that have their record */
	bool log_begun;          /* unsaved, or the log, has the first line */
	bool log_fresh;          /* its name may not be on disk */
	bool sync_first;         /* not to be started before that is on disk */
	bool starting, settling; /* what goes on when it is */
	bool tried;              /* in this try something was heard */
	bool concluded;          /* this try is recorded */
	bool crashed;            /* in this try */
	bool told_delay, told_hold;
	bool report_only;   /* it is not due, what became of it is */
	bool unreported;    /* smtpd-bounce could not, in this try */
	bool junk;          /* so marked: it is not sent on */
	uint8_t hold;       /* enum hold */
	bool kept;          /* held by the operator, until released */
	bool given_up;      /* by the operator: its sender is to be told */
	bool discarded;     /* by the operator: nobody is */
	uint32_t ordered;   /* in text: the last order, "WHAT WHO"; or 0 */
	uint8_t report;     /* enum report_kind: what is being told */
	instant wake;       /* untried: when it may be, and */
	uint32_t parked_at; /* for which destination it waits */

	struct job *ask_next;    /* intake: in line */
	unsigned ask_at;         /* intake: the next origin to look at */
	unsigned unanswered;     /* intake: asked for, no answer yet */
	struct job *report_next; /* report: in line */
	struct job *sync_next;   /* sync: in line */
	uint8_t sync;            /* sync: enum sync_state */
	bool sync_again; /* sync: records were added since it was sent */
};

/* What a transport, or smtpd-rcpt, says. */
enum verdict { VERDICT_DELIVERED, VERDICT_DEFERRED, VERDICT_FAILED };

struct outcome {
	enum verdict verdict;
	struct span stage; /* what had been reached */
	struct span host;  /* empty: none */
	struct span tls;   /* what was had of it, as in smtpd-frames(5) */
	struct span reply;
	const char *crash; /* how the delivery died, or NULL */
};

/* Works on a message that is due, as far as it goes without waiting. */
void job_open(struct sched *, struct message *);

/* intake: adds what an origin is expanded to. False: no room, or malformed. */
bool job_expand(struct sched *, struct job *, unsigned origin,
    struct span target) MUST_CHECK;

/* intake: leaves n rcpts (the answer that brought the others was cut). */
void job_unexpand(struct sched *, struct job *, unsigned n);

/* intake: the answer for one origin. */
void job_answered(struct sched *, struct job *, unsigned origin,
    enum origin_state, struct span reply);

/* intake: all origins are answered. */
void job_expanded(struct sched *, struct job *);

/* sync: what the log held when it was asked is on disk, or is not. */
void job_synced(struct sched *, struct job *, bool ok);

/* Lets go of it, uncounted, before any rcpt is busy; it is due again in ms. */
void job_release(struct sched *, struct job *, uint64_t ms);

/* A transport is done with the rcpt, which may be gone afterwards. */
void job_verdict(struct sched *, struct rcpt *, const struct outcome *);

/*
 * A transport cannot try the rcpt now, which counts as no try at all. The
 * message is due again then, or when its destination (the hash) calls.
 */
void job_untried(struct sched *, struct rcpt *, instant wake, uint32_t hash);

/* report: the frames of the request; the answer to it. */
void job_report_frames(struct sched *, struct job *, struct sbuf *);
void job_reported(struct sched *, struct job *, bool ok, struct span reply);

/* What the operator says may end a try before it begins. */
bool job_is_stopped(const struct job *);

/* Has the message come to the end of queue_lifetime? */
bool job_is_old(const struct sched *, const struct job *);

/* Opens and locks the message again if that was given up while it waited. */
bool job_reopen(struct sched *, struct job *) MUST_CHECK;

/* ATTEMPT of the delivery conversation: 0 when surely never tried. */
unsigned job_attempt(const struct job *);

/* Sets "HOST TEXT", or NULL without memory; and the parts of it. */
void job_keep_reply(char **reply, struct span host, struct span text);
struct span job_reply_host(const char *reply);
struct span job_reply_text(const char *reply);

struct span job_sender(const struct job *);  /* its path */
struct span job_ordered(const struct job *); /* the last order, or empty */
struct span origin_path(const struct job *, unsigned origin);

/* "user NAME <address>" or "remote <path>", and its parts. */
struct span rcpt_target(const struct rcpt *);
struct span rcpt_user(const struct rcpt *); /* empty: remote */
struct span rcpt_address(const struct rcpt *);

/* Where the operator sends it, a destination as of route_find; or empty. */
struct span rcpt_route(const struct rcpt *);

#endif
