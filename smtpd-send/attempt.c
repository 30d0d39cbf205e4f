/* SPDX-License-Identifier: ISC */
/* One attempt: recipients go to their transports, and results come back. */
#include "job.h"
#include "log.h"
#include "scheduler.h"

#define CRASHES_MAX 3

/* --- time ---------------------------------------------------------------------- */

uint64_t
job_end_of_life(const struct sched *s, const struct job *job)
{
	return queue_id_time(job->message->id) / 1000000 +
	    s->conf->queue_lifetime;
}

bool
job_is_old(const struct sched *s, const struct job *job)
{
	return s->wall / 1000000 >= job_end_of_life(s, job) &&
	    clockwatch_may_expire(&s->clock, s->now);
}

/* One plan for the whole attempt, so that all its log lines agree. */
static void
attempt_plan(struct sched *s, struct job *job)
{
	const struct message *m = job->message;
	const struct schedule state = {
		.born = queue_id_time(m->id) / 1000000,
		.attempts = m->attempts + 1U,
		.seed = message_seed(m->id),
	};

	if (job->attempt >= ATTEMPT_PLANNED)
		return;
	job->attempt = ATTEMPT_PLANNED;
	job->plan = schedule_next(&state, s->wall / 1000000,
	    s->conf->queue_lifetime, clockwatch_may_expire(&s->clock, s->now));
}

/* The clock may have been set: it must not park a message for years. */
static uint64_t
attempt_wait_until(const struct sched *s, uint64_t at)
{
	uint64_t now = s->wall / 1000000, wait = at > now ? at - now : 0;

	return (wait < SCHEDULE_DELAY_MAX ? wait : SCHEDULE_DELAY_MAX) * 1000;
}

/* Nothing of it could be tried: it waits for its destination. */
static uint64_t
attempt_wait_untried(struct sched *s, const struct job *job)
{
	uint64_t ms = job->wake > s->now ? job->wake - s->now : 0;
	uint64_t end = job_end_of_life(s, job);

	job->message->parked_at = job->parked_at;
	if (end > s->wall / 1000000 && attempt_wait_until(s, end) < ms)
		ms = attempt_wait_until(s, end);
	return ms;
}

static bool
attempt_has_deferred(const struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (job->rcpts[i].state == RCPT_DEFERRED)
			return true;
	for (unsigned i = 0; i < job->naddressees; i++)
		if (job->addressees[i].state == ADDRESSEE_DEFERRED)
			return true;
	return false;
}

uint64_t
attempt_wait(struct sched *s, struct job *job)
{
	uint64_t ms;

	if (job->hold == HOLD_CRASH) {
		/* Until it expires; later, if the clock is not trusted. */
		ms = attempt_wait_until(s, job_end_of_life(s, job));
		return ms > AGAIN_LATER ? ms : AGAIN_LATER;
	}
	if (job->wake != 0 && !attempt_has_deferred(job))
		return attempt_wait_untried(s, job);
	return attempt_wait_until(s, job->plan.at);
}

/* --- out and back -------------------------------------------------------------- */

static void
attempt_let_go(struct sched *s, struct job *job)
{
	if (--job->busy == 0)
		life_event(s, job->message, LIFE_HEARD);
}

static void
attempt_submit(struct sched *s, struct rcpt *r)
{
	uint32_t pause = paused_for(s, r);

	r->state = RCPT_BUSY;
	r->recorded = false;
	r->job->busy++;
	if (pause != 0)
		attempt_untried(s, r, s->now + PAUSED_MS, pause);
	else
		dispatch_submit(s, r);
}

void
attempt_start(struct sched *s, struct job *job)
{
	job->busy = 1; /* a guard: verdicts may come at once */
	for (unsigned i = 0; i < job->nrcpts && job->will == WILL_DELIVER; i++)
		if (job->rcpts[i].state == RCPT_OPEN ||
		    job->rcpts[i].state == RCPT_DEFERRED)
			attempt_submit(s, &job->rcpts[i]);
	if (s->nopen > s->open_max && job->running == 0)
		job_close_file(s, job);
	attempt_let_go(s, job);
}

void
attempt_untried(struct sched *s, struct rcpt *r, instant wake, uint32_t hash)
{
	struct job *job = r->job;

	r->state = RCPT_OPEN;
	if (job->wake == 0 || wake < job->wake) {
		job->wake = wake;
		job->parked_at = hash;
	}
	attempt_let_go(s, job);
}

/* Others are left: it must not have the message again after a crash. */
static void
attempt_record(struct sched *s, struct rcpt *r, enum progress_kind kind,
    struct span reply)
{
	job_log_verdict(s, r->job, kind, r->index, reply);
	r->recorded = true;
	if (job_save(s, r->job))
		sync_ask(s, r->job);
}

static void
attempt_count_crash(struct job *job, const char *how)
{
	job->crashes++;
	job->crashed = true;
	job_log(job,
	    &(struct progress_record){ .kind = PROGRESS_CRASH,
		.number = job->crashes,
		.text = span_str(how) });
}

void
attempt_verdict(struct sched *s, struct rcpt *r, const struct outcome *o)
{
	struct job *job = r->job;
	unsigned left;

	if (o->verdict == VERDICT_DELIVERED)
		r->state = RCPT_DELIVERED;
	else
		attempt_plan(s, job);
	if (job->attempt == ATTEMPT_NONE)
		job->attempt = ATTEMPT_HEARD;
	left = job_left(job);
	event_verdict(s, r, o, left);
	if (o->crash != NULL)
		attempt_count_crash(job, o->crash);
	switch (o->verdict) {
	case VERDICT_DELIVERED:
		if (left > 0)
			attempt_record(s, r, PROGRESS_DONE, o->reply);
		break;
	case VERDICT_FAILED:
		r->state = RCPT_FAILED;
		job_keep_reply(&r->reply, o->host, o->reply);
		attempt_record(s, r, PROGRESS_FAILED, o->reply);
		break;
	case VERDICT_DEFERRED:
		r->state = RCPT_DEFERRED;
		job_keep_reply(&r->reply, o->host, o->reply);
		break;
	}
	attempt_let_go(s, job);
}

void
attempt_answer(struct sched *s, struct job *job, unsigned addressee,
    enum addressee_state state, struct span reply)
{
	struct addressee *a = &job->addressees[addressee];

	a->state = (uint8_t)state;
	if (state == ADDRESSEE_EXPANDED)
		return;
	attempt_plan(s, job);
	job_keep_reply(&a->reply, SPAN(""), reply);
	event_answer(s, job, addressee, reply);
}

/* --- the end of it --------------------------------------------------------------- */

static void
attempt_record_rest(struct sched *s, struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++) {
		const struct rcpt *r = &job->rcpts[i];

		if (r->state == RCPT_DEFERRED)
			job_log_verdict(s, job, PROGRESS_DEFERRED, r->index,
			    job_reply_text(r->reply));
	}
	for (unsigned i = 0; i < job->naddressees; i++) {
		const struct addressee *a = &job->addressees[i];

		if (a->state == ADDRESSEE_REFUSED)
			job_log_verdict(s, job, PROGRESS_REFUSED, i,
			    job_reply_text(a->reply));
	}
}

static void
attempt_set_hold(struct job *job, enum hold hold, const char *why)
{
	job->hold = hold;
	job_log(job,
	    &(struct progress_record){
		.kind = PROGRESS_HELD, .text = span_str(why) });
}

void
job_expire(struct job *job)
{
	attempt_set_hold(job, HOLD_EXPIRED, "expired");
}

/* Recipients are left: records the attempt, and plans the next one if any. */
void
attempt_conclude(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	if (job->attempt == ATTEMPT_NONE || job->attempt == ATTEMPT_RECORDED)
		return;
	attempt_plan(s, job);
	attempt_record_rest(s, job);
	if (m->attempts < UINT16_MAX)
		m->attempts++;
	job->attempt = ATTEMPT_RECORDED;
	job_log(job,
	    &(struct progress_record){ .kind = PROGRESS_TRIED,
		.number = m->attempts,
		.time = job->plan.at });
	job->hold = HOLD_NONE;
	if (job->plan.expired && job->will != WILL_HOLD) {
		job_expire(job);
	} else if (job->crashed && job->crashes >= CRASHES_MAX) {
		attempt_set_hold(job, HOLD_CRASH, "crash");
		event_held(s, m, "held", "its delivery crashes");
	}
	(void)job_save(s, job);
}
