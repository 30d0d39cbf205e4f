/* SPDX-License-Identifier: ISC */
/* Writing a job's records to the message's log. */
#include <errno.h>
#include <unistd.h>

#include "job-parts.h"
#include "spool.h"

static void
begin(struct job *job)
{
	if (job->log_begun)
		return;
	progress_begin(&job->unsaved, job->message->id, job->nonce);
	job->log_begun = true;
}

/*
 * Who the recipients are stands in every log before anything else: verdicts
 * name them by index, and aliases may have changed at the next reading.
 */
void
job_log_rcpts(struct job *job)
{
	begin(job);
	for (; job->nlogged < job->nrcpts; job->nlogged++) {
		const struct rcpt *r = &job->rcpts[job->nlogged];

		progress_add(&job->unsaved,
		    &(struct progress_record){ .kind = PROGRESS_RCPT,
			.number = r->index,
			.other = r->origin,
			.text = rcpt_target(r) });
	}
}

void
job_log_verdict(struct sched *s, struct job *job, enum progress_kind kind,
    uint32_t number, struct span reply)
{
	bool running = job->tried && !job->concluded;

	job_log_rcpts(job);
	progress_add(&job->unsaved,
	    &(struct progress_record){ .kind = kind,
		.number = number,
		.other = job->message->attempts + (unsigned)running,
		.time = s->wall / 1000000,
		.text = reply });
}

void
job_log(struct job *job, enum progress_kind kind, uint32_t number,
    uint64_t time, const char *text)
{
	job_log_rcpts(job);
	progress_add(&job->unsaved,
	    &(struct progress_record){ .kind = kind,
		.number = number,
		.time = time,
		.text = span_str(text) });
}

/*
 * Crash states: moved to msg/ without a log: it was tried, and is again.
 * Lines half written: cut at the next append. Back in new/ after a power
 * failure, with or without a log: the start's scan takes it for tried.
 */
bool
job_save(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	bool ok;
	int fd, saved;

	if (job->unsaved.len == 0)
		return true;
	if (job->unsaved.bad) {
		errno = ENOMEM;
		return false;
	}
	if (!spool_settle(s->queue, m))
		return false;
	fd = spool_log_open(s->queue, m->id, true);
	if (fd == -1)
		return false;
	m->flags |= MESSAGE_LOGGED;
	if (job->log_length == 0)
		job->log_fresh = true;
	ok = progress_append(fd, &job->log_length, sbuf_span(&job->unsaved));
	saved = errno;
	(void)close(fd);
	errno = saved;
	if (ok)
		sbuf_reset(&job->unsaved);
	return ok;
}
