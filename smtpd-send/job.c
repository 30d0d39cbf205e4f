/* SPDX-License-Identifier: ISC */
/* A try: every recipient goes to its transport, and a verdict comes back. */
#include "job-parts.h"
#include "log.h"

unsigned
job_attempt(const struct job *job)
{
	const struct message *m = job->message;

	return m->attempts > 0 ? m->attempts : (m->flags & MESSAGE_OLD) != 0;
}

bool
rcpt_is_done(const struct rcpt *r)
{
	return r->state == RCPT_DELIVERED || r->state == RCPT_BOUNCED;
}

bool
origin_is_done(const struct origin *o)
{
	return o->state == ORIGIN_EXPANDED || o->state == ORIGIN_BOUNCED;
}

bool
job_is_stopped(const struct job *job)
{
	return job->kept || job->given_up || job->discarded;
}

unsigned
job_left(const struct job *job)
{
	unsigned left = 0;

	for (unsigned i = 0; i < job->nrcpts; i++)
		left += !rcpt_is_done(&job->rcpts[i]);
	for (unsigned i = 0; i < job->norigins; i++)
		left += !origin_is_done(&job->origins[i]);
	return left;
}

static void
let_go(struct sched *s, struct job *job)
{
	if (--job->busy == 0)
		job_settle(s, job);
}

static void
submit(struct sched *s, struct rcpt *r)
{
	uint32_t pause = pause_of(s, r);

	r->state = RCPT_BUSY;
	r->recorded = false;
	r->job->busy++;
	if (pause != 0)
		job_untried(s, r, s->now + PAUSE_MS, pause);
	else if (rcpt_user(r).n > 0)
		local_submit(s, r);
	else
		remote_submit(s, r);
}

/* Is everybody it goes to busy, or all of us, so that it would only wait? */
static bool
would_wait(const struct sched *s, const struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct span user = rcpt_user(&job->rcpts[i]);

		if (user.n == 0 ||
		    !transport_is_full(s, &s->local,
			dest_find(&s->local.dests, user)))
			return false;
	}
	return true;
}

void
job_start(struct sched *s, struct job *job)
{
	if (s->stopping) {
		job_release(s, job, AGAIN_SOON);
		return;
	}
	if (s->nrcpts > SCHED_RCPTS_MAX && would_wait(s, job)) {
		job_release(s, job, AGAIN_LATER);
		return;
	}
	job->busy = 1; /* a guard: verdicts may come at once */
	if (job_is_stopped(job))
		job->report_only = true;
	for (unsigned i = 0; i < job->nrcpts && !job->report_only; i++)
		if (job->rcpts[i].state == RCPT_OPEN ||
		    job->rcpts[i].state == RCPT_DEFERRED)
			submit(s, &job->rcpts[i]);
	if (s->nopen > s->open_max && job->running == 0)
		job_close_file(s, job);
	let_go(s, job);
}

static void
record_terminal(struct sched *s, struct rcpt *r, enum progress_kind kind,
    struct span reply)
{
	job_log_verdict(s, r->job, kind, r->index, reply);
	r->recorded = true;
	if (!job_save(s, r->job))
		warn_sys("cannot write the log of '%s'", r->job->message->id);
	else
		sync_ask(s, r->job);
}

static void
count_crash(struct job *job, const char *how)
{
	job->crashes++;
	job->crashed = true;
	job_log(job, PROGRESS_CRASH, job->crashes, 0, how);
}

void
job_verdict(struct sched *s, struct rcpt *r, const struct outcome *o)
{
	struct job *job = r->job;
	unsigned left;

	job->tried = true;
	if (o->verdict == VERDICT_DELIVERED)
		r->state = RCPT_DELIVERED;
	else
		job_plan(s, job);
	left = job_left(job);
	job_event_verdict(s, r, o, left);
	if (o->crash != NULL)
		count_crash(job, o->crash);
	switch (o->verdict) {
	case VERDICT_DELIVERED:
		if (left > 0)
			record_terminal(s, r, PROGRESS_DONE, o->reply);
		break;
	case VERDICT_FAILED:
		r->state = RCPT_FAILED;
		job_keep_reply(&r->reply, o->host, o->reply);
		record_terminal(s, r, PROGRESS_FAILED, o->reply);
		break;
	case VERDICT_DEFERRED:
		r->state = RCPT_DEFERRED;
		job_keep_reply(&r->reply, o->host, o->reply);
		break;
	}
	let_go(s, job);
}

void
job_untried(struct sched *s, struct rcpt *r, instant wake, uint32_t hash)
{
	struct job *job = r->job;

	r->state = RCPT_OPEN;
	if (job->wake == 0 || wake < job->wake) {
		job->wake = wake;
		job->parked_at = hash;
	}
	let_go(s, job);
}

void
job_answered(struct sched *s, struct job *job, unsigned origin,
    enum origin_state state, struct span reply)
{
	struct origin *o = &job->origins[origin];

	o->state = (uint8_t)state;
	if (state == ORIGIN_EXPANDED)
		return;
	job->tried = true;
	job_plan(s, job);
	job_keep_reply(&o->reply, SPAN(""), reply);
	job_event_origin(s, job, origin, reply);
}

void
job_synced(struct sched *s, struct job *job, bool ok)
{
	if (job->starting) {
		job->starting = false;
		if (!ok) {
			job_release(s, job, AGAIN_LATER);
			return;
		}
		job->sync_first = false;
		job_start(s, job);
	} else if (job->settling) {
		job->settling = false;
		job_settle(s, job);
	}
}
