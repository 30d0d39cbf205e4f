/* SPDX-License-Identifier: ISC */
/* A message's life: its steps, and what takes it from one to the next. */
#ifndef LIFE_H
#define LIFE_H

#include "job.h"

/* Waits before a message that could not be worked on is looked at again. */
#define AGAIN_SOON 2000   /* ms: locked, or just being received */
#define AGAIN_LATER 60000 /* ms: input or output errors */
#define AGAIN_PAUSE 100   /* ms: for all others then */

#define LOOKS_TELL 2
#define LOOKS_MAX 1800 /* an hour of AGAIN_SOON: the lock has leaked */

/* The events of a life; smtpd-send(8) has a table of steps and events. */
enum life_event {
	LIFE_DUE,       /* its time has come */
	LIFE_ORDERED,   /* an order was carried out while it waited */
	LIFE_EXPANDED,  /* smtpd-rcpt has answered for each addressee */
	LIFE_UNASKED,   /* smtpd-rcpt cannot be asked: not before job->wake */
	LIFE_HEARD,     /* no recipient is with a transport any more */
	LIFE_SYNCED,    /* its log is on disk */
	LIFE_UNSYNCED,  /* or may not be */
	LIFE_NOTICED,   /* the notice is in the queue, and recorded */
	LIFE_UNNOTICED, /* smtpd-bounce could not */
};
#define LIFE_EVENTS (LIFE_UNNOTICED + 1)

/*
 * Takes the message as far as it goes without waiting. Its job, and the
 * message itself, may be gone afterwards.
 */
void life_event(struct sched *, struct message *, enum life_event);

/* It is due now, even if it is held; if it is active, after this attempt. */
void life_make_due(struct sched *, struct message *);

/* All are, except those that the operator holds; says how many are active. */
unsigned life_make_all_due(struct sched *);

/*
 * The job of a message that is not active, to do something else with it than
 * try it; the message stays where it is in the heap. NULL: *why says.
 */
struct job *life_fetch(struct sched *, struct message *,
    const char **why) MUST_CHECK;

/* Ends the use of a job that life_fetch gave. */
void life_put_back(struct sched *, struct job *);

/* Removes a damaged message of which nothing is known. */
bool life_remove_damaged(struct sched *, struct message *) MUST_CHECK;

/* --- one attempt: attempt.c ----------------------------------------------------- */

/* The answer of a transport, or of smtpd-rcpt. */
enum verdict { VERDICT_DELIVERED, VERDICT_DEFERRED, VERDICT_FAILED };

struct outcome {
	enum verdict verdict;
	struct span stage; /* how far it came */
	struct span host;  /* empty: none */
	struct span tls;   /* how it was secured: smtpd-frames(5) */
	struct span reply;
	const char *crash; /* how the delivery died, or NULL */
};

/* Gives every recipient that is left to its transport. LIFE_HEARD ends it. */
void attempt_start(struct sched *, struct job *);

/* A transport is done with the rcpt, which may be gone afterwards. */
void attempt_verdict(struct sched *, struct rcpt *, const struct outcome *);

/*
 * A transport cannot try the rcpt now, which counts as no try at all. The
 * message is due again then, or when its destination (the hash) calls.
 */
void attempt_untried(struct sched *, struct rcpt *, instant wake,
    uint32_t hash);

/* smtpd-rcpt's answer for one addressee. */
void attempt_answer(struct sched *, struct job *, unsigned addressee,
    enum addressee_state, struct span reply);

/* If anything was heard in this attempt: records and counts it, once. */
void attempt_conclude(struct sched *, struct job *);

/* How many ms the message waits now, and for which destination. */
uint64_t attempt_wait(struct sched *, struct job *);

/* When queue_lifetime is over: in seconds of the wall clock; is it? */
uint64_t job_end_of_life(const struct sched *, const struct job *);
bool job_is_old(const struct sched *, const struct job *);

/* Gives it up: the rest is reported as expired. */
void job_expire(struct job *);

/* --- lines of the log on stderr: event.c ------------------------------------------- */

/* ms since it came. */
uint64_t event_age(const struct sched *, const struct message *);

void event_verdict(struct sched *, const struct rcpt *, const struct outcome *,
    unsigned left);
void event_answer(struct sched *, const struct job *, unsigned addressee,
    struct span reply);
void event_expanded(struct sched *, const struct job *,
    const struct rcpt *first, unsigned n);

struct event_end {
	uint32_t index; /* of the rcpt, or the addressee that never was one */
	struct span address, notice;
	const char *reply; /* or NULL */
};
void event_end(struct sched *, const struct job *, const char *event,
    const struct event_end *);
void event_unreported(const struct job *, struct span reply);
void event_held(struct sched *, const struct message *, const char *event,
    const char *reason);
void event_discarded(struct sched *, const struct job *, uint32_t n,
    struct span address, unsigned left);
void event_removed(struct sched *, const struct message *);

#endif
