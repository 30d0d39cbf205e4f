/* SPDX-License-Identifier: ISC */
/* Reading what a job has got to from the message's log. */
#include <errno.h>
#include <unistd.h>

#include "job-parts.h"
#include "route.h"
#include "spool.h"

struct replay {
	struct sched *s;
	struct job *job;
	unsigned at; /* where the last verdict's rcpt was found */
	bool failed; /* no memory */
};

/* Verdicts come in about the order of the rcpts: look on from the last. */
static struct rcpt *
find(struct replay *r, uint32_t index)
{
	struct job *job = r->job;

	for (unsigned i = 0; i < job->nrcpts; i++) {
		unsigned at = (r->at + i) % job->nrcpts;

		if (job->rcpts[at].index != index)
			continue;
		r->at = at;
		return &job->rcpts[at];
	}
	return NULL;
}

/* What was deferred is open again; its reply is kept for who gives it up. */
static void
replay_verdict(struct replay *r, const struct progress_record *p,
    enum rcpt_state state)
{
	struct rcpt *to = find(r, p->number);

	if (to == NULL)
		return;
	to->state = (uint8_t)state;
	to->recorded = state != RCPT_OPEN;
	if (state == RCPT_OPEN || state == RCPT_FAILED)
		job_keep_reply(&to->reply, SPAN(""), p->text);
}

static void
replay_origin(struct job *job, const struct progress_record *p,
    enum origin_state state)
{
	struct origin *o = &job->origins[p->number];

	if (p->number >= job->norigins || o->state == ORIGIN_EXPANDED)
		return;
	o->state = (uint8_t)state;
	if (state == ORIGIN_REFUSED)
		job_keep_reply(&o->reply, SPAN(""), p->text);
}

static void
replay_bounced(struct replay *r, const struct progress_record *p)
{
	if (find(r, p->number) != NULL)
		replay_verdict(r, p, RCPT_BOUNCED);
	else
		replay_origin(r->job, p, ORIGIN_BOUNCED);
}

static void
replay_told(struct job *job, struct span text)
{
	struct span what = span_cut(&text, ' ');

	if (span_eq(what, SPAN("delayed")))
		job->told_delay = true;
	else if (span_eq(what, SPAN("held")))
		job->told_hold = true;
}

static enum hold
hold_of(struct span why)
{
	if (span_eq(why, SPAN("crash")))
		return HOLD_CRASH;
	return span_eq(why, SPAN("expired")) ? HOLD_EXPIRED : HOLD_OTHER;
}

static void
replay_order(struct job *job, struct span text)
{
	struct span rest = text, what = span_cut(&rest, ' ');

	job_keep_order(job, text);
	if (span_eq(what, SPAN("hold")))
		job->kept = true;
	else if (span_eq(what, SPAN("release")))
		job->kept = false;
	else if (span_eq(what, SPAN("bounce")))
		job->given_up = true;
	else if (span_eq(what, SPAN("remove")))
		job->discarded = true;
}

static void
replay_route(struct replay *r, const struct progress_record *p)
{
	struct rcpt *to = find(r, p->number);

	if (to != NULL && p->text.n > 0 && p->text.n <= ROUTE_MAX &&
	    !job_keep_route(to, p->text))
		r->failed = true;
}

static void
replay_tried(struct job *job, const struct progress_record *p)
{
	struct message *m = job->message;

	if (p->number > m->attempts)
		m->attempts = p->number < UINT16_MAX ? (uint16_t)p->number :
						       UINT16_MAX;
	job->plan.at = p->time;
	job->hold = HOLD_NONE;
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
		replay_verdict(r, p, RCPT_DELIVERED);
		break;
	case PROGRESS_FAILED:
		replay_verdict(r, p, RCPT_FAILED);
		break;
	case PROGRESS_DEFERRED:
		replay_verdict(r, p, RCPT_OPEN);
		break;
	case PROGRESS_REFUSED:
		replay_origin(job, p, ORIGIN_REFUSED);
		break;
	case PROGRESS_BOUNCED:
		replay_bounced(r, p);
		break;
	case PROGRESS_TOLD:
		replay_told(job, p->text);
		break;
	case PROGRESS_TRIED:
		replay_tried(job, p);
		break;
	case PROGRESS_CRASH:
		job->crashes = p->number;
		break;
	case PROGRESS_HELD:
		job->hold = (uint8_t)hold_of(p->text);
		break;
	case PROGRESS_ORDER:
		replay_order(job, p->text);
		break;
	case PROGRESS_ROUTE:
		replay_route(r, p);
		break;
	case PROGRESS_LOG:
	case PROGRESS_PAUSE:
	case PROGRESS_RESUME:
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
