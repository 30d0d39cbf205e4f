/* SPDX-License-Identifier: ISC */
/* What the files of the job module share among themselves. */
#ifndef JOB_PARTS_H
#define JOB_PARTS_H

#include "sched.h"

/* Waits before a message that could not be worked on is looked at again. */
#define AGAIN_SOON 2000   /* ms: locked, or just being received */
#define AGAIN_LATER 60000 /* ms: input or output errors */
#define AGAIN_PAUSE 100   /* ms: for all others then */

enum load_result {
	LOAD_OK,
	LOAD_TORN,
	LOAD_CORRUPT,
	LOAD_IOERR, /* errno says; ENOMEM too */
};

/* job-load.c: fills *job, all zero, from the file at fd, and from its log. */
enum load_result job_load(struct sched *, struct job *, int fd) MUST_CHECK;
enum load_result job_load_log(struct sched *, struct job *) MUST_CHECK;
bool job_is_target(struct span);

/* Keeps the text of an order, "WHAT WHO", or of a route. */
void job_keep_order(struct job *, struct span text);
bool job_keep_route(struct rcpt *, struct span destination);
bool job_add_rcpt(struct sched *, struct job *, unsigned origin, uint32_t index,
    struct span target) MUST_CHECK;
void job_free(struct sched *, struct job *);

/* job-open.c: it is due again in ms; it is gone; it stays, and is not tried. */
void job_wait(struct sched *, struct message *, uint64_t ms);
void job_forget(struct sched *, struct message *);
void job_hold(struct sched *, struct message *, const char *event,
    const char *why);
void job_close_file(struct sched *, struct job *);

/*
 * The job of a message that waits, for who does something else with it than
 * try it; the message stays where it is in the heap. NULL: *why says.
 */
struct job *job_fetch(struct sched *, struct message *, const char **why);

/* job.c: gives every rcpt that is left to its transport. */
void job_start(struct sched *, struct job *);

/* How many recipients have not come to an end. */
unsigned job_left(const struct job *);
bool rcpt_is_done(const struct rcpt *);
bool origin_is_done(const struct origin *);

/* job-end.c: one plan for the whole try, so that all its log lines agree. */
void job_plan(struct sched *, struct job *);

/* Its end without a word to its sender: the operator's will. */
void job_discard(struct sched *, struct job *);

/* Nothing is busy any more: record, report, and wait or remove. */
void job_settle(struct sched *, struct job *);

/* It is given up: what is left is reported as expired. */
void job_expire(struct job *);

/* The wait for an instant of the log's wall time, which may be nonsense. */
uint64_t job_wait_ms(const struct sched *, uint64_t at);

/* How long one that is held waits until it expires. */
uint64_t job_hold_ms(const struct sched *, const struct job *);

/* When queue_lifetime is over, in seconds of the wall clock. */
uint64_t job_end_of_life(const struct sched *, const struct job *);

/* job-report.c: what is to be told now. */
enum report_kind job_report_due(const struct sched *, const struct job *);

/* Are there failures that nobody was told of? */
bool job_has_failed(const struct job *);

/* job-log.c: adds to job->unsaved. */
void job_log_rcpts(struct job *);
void job_log_verdict(struct sched *, struct job *, enum progress_kind,
    uint32_t number, struct span reply);
void job_log(struct job *, enum progress_kind, uint32_t number, uint64_t time,
    const char *text);

/* Writes what is unsaved, unsynced, moving the message to msg/ first. */
bool job_save(struct sched *, struct job *) MUST_CHECK;

/* job-event.c: what the log on stderr hears. */
void job_event_verdict(struct sched *, const struct rcpt *,
    const struct outcome *, unsigned left);
void job_event_origin(struct sched *, const struct job *, unsigned origin,
    struct span reply);
void job_event_expanded(struct sched *, const struct job *,
    const struct rcpt *first, unsigned n);
struct job_end {
	uint32_t index; /* of the rcpt, or the origin that never was one */
	struct span address, notice;
	const char *reply; /* or NULL */
};
void job_event_end(struct sched *, const struct job *, const char *event,
    const struct job_end *);
void job_event_unreported(const struct job *, struct span reply);
void job_event_held(struct sched *, const struct message *, const char *event,
    const char *reason);
void job_event_discarded(struct sched *, const struct job *, uint32_t n,
    struct span address, unsigned left);
void job_event_removed(struct sched *, const struct message *);

#endif
