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
bool job_add_rcpt(struct sched *, struct job *, unsigned origin, uint32_t index,
    struct span target) MUST_CHECK;
void job_free(struct sched *, struct job *);

/* job-open.c: it is due again in ms; it is gone; it stays, and is not tried. */
void job_wait(struct sched *, struct message *, uint64_t ms);
void job_forget(struct sched *, struct message *);
void job_hold(struct sched *, struct message *, const char *event,
    const char *why);
void job_close_file(struct sched *, struct job *);

/* job.c: gives every rcpt that is left to its transport. */
void job_start(struct sched *, struct job *);

/* Sets a malloc'ed copy, or NULL when there is no memory. */
void job_keep_reply(char **reply, struct span text);

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
void job_event_held(struct sched *, const struct message *, const char *event,
    const char *reason);
void job_event_removed(struct sched *, const struct message *);

#endif
