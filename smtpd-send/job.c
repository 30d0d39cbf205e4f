/* SPDX-License-Identifier: ISC */
/* A message's way from the start of a try to "removed" or "due again". */
#include "job-parts.h"
#include "log.h"
#include "spool.h"

#define CRASHES_MAX 3

unsigned
job_attempt(const struct job *job)
{
	const struct message *m = job->message;

	return m->attempts > 0 ? m->attempts : (m->flags & MESSAGE_OLD) != 0;
}

static unsigned
count_left(const struct job *job)
{
	unsigned left = 0;

	for (unsigned i = 0; i < job->nrcpts; i++)
		left += job->rcpts[i].state != RCPT_DELIVERED;
	for (unsigned i = 0; i < job->norigins; i++)
		left += job->origins[i].state != ORIGIN_EXPANDED;
	return left;
}

static void settle(struct sched *, struct job *);

static void
let_go(struct sched *s, struct job *job)
{
	if (--job->busy == 0)
		settle(s, job);
}

/*
 * Until there is smtpd-bounce, what has failed is tried again like what was
 * deferred: it can neither be reported nor be dropped.
 */
static bool
is_to_be_tried(const struct rcpt *r)
{
	return r->state != RCPT_DELIVERED && r->state != RCPT_BUSY;
}

void
job_start(struct sched *s, struct job *job)
{
	if (s->stopping) {
		job_release(s, job, AGAIN_SOON);
		return;
	}
	if (s->nrcpts > SCHED_RCPTS_MAX && local_must_wait(s, job)) {
		job_release(s, job, AGAIN_LATER);
		return;
	}
	job->busy = 1; /* a guard: verdicts may come at once */
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct rcpt *r = &job->rcpts[i];

		if (!is_to_be_tried(r))
			continue;
		r->state = RCPT_BUSY;
		r->recorded = false;
		job->busy++;
		(rcpt_user(r).n > 0 ? &local_transport : &remote_transport)
		    ->submit(s, r);
	}
	if (s->nopen > s->open_max && job->running == 0)
		job_close_file(s, job);
	let_go(s, job);
}

/* One plan for the whole try, so that all its log lines agree. */
static void
plan(struct sched *s, struct job *job)
{
	const struct message *m = job->message;
	const struct schedule state = {
		.born = queue_id_time(m->id) / 1000000,
		.attempts = m->attempts + 1U,
		.seed = message_seed(m->id),
	};

	if (job->planned)
		return;
	job->planned = true;
	job->plan = schedule_next(&state, s->wall / 1000000,
	    s->conf->queue_lifetime, clockwatch_may_expire(&s->clock, s->now));
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

	if (o->verdict == VERDICT_DELIVERED)
		r->state = RCPT_DELIVERED;
	else
		plan(s, job);
	left = count_left(job);
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
		record_terminal(s, r, PROGRESS_FAILED, o->reply);
		break;
	case VERDICT_DEFERRED:
		r->state = RCPT_DEFERRED;
		job_keep_reply(&r->reply, o->reply);
		break;
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
	plan(s, job);
	job_keep_reply(&o->reply, reply);
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
		settle(s, job);
	}
}

/* --- the end of a try ------------------------------------------------------- */

/*
 * Crash states: before the unlink everybody has it and it is delivered once
 * more, which smtpd-local notices; after it the log is an orphan, which the
 * next start sweeps.
 */
static void
finish(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	if (spool_remove(s->queue, m)) {
		if ((m->flags & MESSAGE_LOGGED) != 0)
			spool_log_remove(s->queue, m->id);
		if ((m->flags & MESSAGE_LOGGED) != 0 || job->nrcpts > 1)
			job_event_removed(s, m);
		sync_forget(s, job);
		job_free(s, job);
		job_forget(s, m);
		return;
	}
	warn_sys("cannot remove '%s'", m->id);
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (!job->rcpts[i].recorded)
			job_log_verdict(s, job, PROGRESS_DONE,
			    job->rcpts[i].index, SPAN("250 2.0.0 Delivered"));
	for (unsigned i = 0; i < job->nrcpts; i++)
		job->rcpts[i].recorded = true;
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", m->id);
	sync_forget(s, job);
	job_release(s, job, AGAIN_LATER);
}

static void
record_try(struct sched *s, struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++) {
		const struct rcpt *r = &job->rcpts[i];

		if (r->state == RCPT_DEFERRED)
			job_log_verdict(s, job, PROGRESS_DEFERRED, r->index,
			    span_str(r->reply != NULL ? r->reply : ""));
	}
	for (unsigned i = 0; i < job->norigins; i++) {
		const struct origin *o = &job->origins[i];

		if (o->state == ORIGIN_REFUSED)
			job_log_verdict(s, job, PROGRESS_REFUSED, i,
			    span_str(o->reply != NULL ? o->reply : ""));
	}
}

/* Some are left: record the try and choose the next one, or none. */
static void
conclude(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	plan(s, job);
	record_try(s, job);
	if (m->attempts < UINT16_MAX)
		m->attempts++;
	job_log(job, PROGRESS_TRIED, m->attempts, job->plan.at, "");
	if (job->crashed && job->crashes >= CRASHES_MAX) {
		job_log(job, PROGRESS_HELD, 0, 0, "crash");
		job_hold(s, m, "held", "its delivery crashes");
	} else if (job->plan.expired) {
		job_log(job, PROGRESS_HELD, 0, 0, "expired");
		job_hold(s, m, "expired", "queue_lifetime is over");
	}
	job->concluded = true;
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", m->id);
}

static void
park(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t now = s->wall / 1000000;
	uint64_t wait = job->plan.at > now ? job->plan.at - now : 0;
	bool unsaved = job->unsaved.len > 0;

	if (unsaved) {
		job_close_file(s, job);
		m->flags &= (uint8_t)~MESSAGE_HELD;
	} else {
		job_free(s, job);
	}
	if ((m->flags & MESSAGE_HELD) == 0)
		job_wait(s, m, wait * 1000);
}

static void
settle(struct sched *s, struct job *job)
{
	if (count_left(job) == 0) {
		finish(s, job);
		return;
	}
	if (!job->concluded)
		conclude(s, job);
	/* Its descriptor may be at the child: what is terminal must be safe. */
	if (job->sync != SYNC_NONE)
		job->settling = true;
	else
		park(s, job);
}
