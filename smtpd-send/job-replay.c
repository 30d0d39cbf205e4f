/* SPDX-License-Identifier: ISC */
/* Reading what a job has got to from the message's log. */
#include <errno.h>
#include <unistd.h>

#include "job-parts.h"
#include "spool.h"

struct replay {
	struct sched *s;
	struct job *job;
	unsigned at; /* where the last verdict's rcpt was found */
	bool failed; /* no memory */
};

/* Verdicts come in about the order of the rcpts: look on from the last. */
static void
replay_verdict(struct replay *r, uint32_t index, enum rcpt_state state)
{
	struct job *job = r->job;

	for (unsigned i = 0; i < job->nrcpts; i++) {
		unsigned at = (r->at + i) % job->nrcpts;

		if (job->rcpts[at].index != index)
			continue;
		job->rcpts[at].state = (uint8_t)state;
		job->rcpts[at].recorded = true;
		r->at = at;
		return;
	}
}

static void
replay_tried(struct job *job, const struct progress_record *p)
{
	struct message *m = job->message;

	if (p->number > m->attempts)
		m->attempts = p->number < UINT16_MAX ? (uint16_t)p->number :
						       UINT16_MAX;
	job->plan.at = p->time;
	job->held = false;
}

static void
replay(void *arg, const struct progress_record *p)
{
	struct replay *r = arg;
	struct job *job = r->job;

	switch (p->kind) {
	case PROGRESS_RCPT:
		if (p->other < job->norigins && job_is_target(p->text) &&
		    !job_add_rcpt(r->s, job, p->other, p->number, p->text))
			r->failed = true;
		break;
	case PROGRESS_DONE:
		replay_verdict(r, p->number, RCPT_DELIVERED);
		break;
	case PROGRESS_FAILED:
		replay_verdict(r, p->number, RCPT_FAILED);
		break;
	case PROGRESS_TRIED:
		replay_tried(job, p);
		break;
	case PROGRESS_CRASH:
		job->crashes = p->number;
		break;
	case PROGRESS_HELD:
		job->held = true;
		break;
	case PROGRESS_LOG:
	case PROGRESS_DEFERRED:
	case PROGRESS_REFUSED:
		break;
	}
}

/*
 * A message in new/ has a log when the start's scan found one, which happens:
 * the rename to msg/ is not synced, and the log is.
 */
enum load_result
job_load_log(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	struct replay r = { s, job, 0, false };
	enum progress_result p;
	int fd, saved;

	if ((m->flags & (MESSAGE_NEW | MESSAGE_LOGGED)) == MESSAGE_NEW)
		return LOAD_OK;
	fd = spool_log_open(s->queue, m->id, false);
	if (fd == -1)
		return errno == ENOENT ? LOAD_OK : LOAD_IOERR;
	m->flags |= MESSAGE_LOGGED;
	p = progress_read(fd, m->id, job->nonce, &job->log_length, replay, &r);
	saved = errno;
	(void)close(fd);
	errno = r.failed ? ENOMEM : saved;
	job->log_begun = p == PROGRESS_READ;
	job->nlogged = job->nrcpts;
	/* Killed before the expansion was synced? */
	job->sync_first = job->log_fresh = job->log_begun && m->attempts == 0;
	return p == PROGRESS_IOERR || r.failed ? LOAD_IOERR : LOAD_OK;
}
