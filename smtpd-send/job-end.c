/* SPDX-License-Identifier: ISC */
/* The end of a try: "removed", "due again", or what is to be told first. */
#include "job-parts.h"
#include "log.h"
#include "spool.h"

#define CRASHES_MAX 3

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

void
job_plan(struct sched *s, struct job *job)
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

/* The clock may have been set: it must not park a message for years. */
uint64_t
job_wait_ms(const struct sched *s, uint64_t at)
{
	uint64_t now = s->wall / 1000000, wait = at > now ? at - now : 0;

	return (wait < SCHEDULE_DELAY_MAX ? wait : SCHEDULE_DELAY_MAX) * 1000;
}

/* Not at once, when the end has come and the clock is not trusted. */
uint64_t
job_hold_ms(const struct sched *s, const struct job *job)
{
	uint64_t ms = job_wait_ms(s, job_end_of_life(s, job));

	return ms > AGAIN_LATER ? ms : AGAIN_LATER;
}

/*
 * Crash states: before the line of the last end, and between it and the
 * unlink, everybody may come to his end once more, which smtpd-local notices
 * and the log says. After the unlink the message's log is an orphan, which the
 * next start sweeps, and no line says "removed".
 */
static void
finish(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	if (spool_remove(s->queue, m)) {
		if ((m->flags & MESSAGE_LOGGED) != 0)
			spool_log_remove(s->queue, m->id);
		if ((m->flags & MESSAGE_LOGGED) != 0 || job->nrcpts > 1 ||
		    job->discarded)
			job_event_removed(s, m);
		sync_forget(s, job);
		job_free(s, job);
		job_forget(s, m);
		return;
	}
	warn_sys("cannot remove '%s'", m->id);
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (!job->rcpts[i].recorded && rcpt_is_done(&job->rcpts[i]))
			job_log_verdict(s, job, PROGRESS_DONE,
			    job->rcpts[i].index, SPAN("250 2.0.0 Delivered"));
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (rcpt_is_done(&job->rcpts[i]))
			job->rcpts[i].recorded = true;
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", m->id);
	sync_forget(s, job);
	job_release(s, job, AGAIN_LATER);
}

/*
 * Crash states: the order is recorded before: what the log says here comes
 * true at the next start, with these lines once more.
 */
void
job_discard(struct sched *s, struct job *job)
{
	unsigned left = job_left(job);

	for (unsigned i = 0; i < job->nrcpts; i++)
		if (!rcpt_is_done(&job->rcpts[i]))
			job_event_discarded(s, job, job->rcpts[i].index,
			    rcpt_address(&job->rcpts[i]), --left);
	for (unsigned i = 0; i < job->norigins; i++)
		if (!origin_is_done(&job->origins[i]))
			job_event_discarded(s, job, i, origin_path(job, i),
			    --left);
	finish(s, job);
}

static void
record_try(struct sched *s, struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++) {
		const struct rcpt *r = &job->rcpts[i];

		if (r->state == RCPT_DEFERRED)
			job_log_verdict(s, job, PROGRESS_DEFERRED, r->index,
			    job_reply_text(r->reply));
	}
	for (unsigned i = 0; i < job->norigins; i++) {
		const struct origin *o = &job->origins[i];

		if (o->state == ORIGIN_REFUSED)
			job_log_verdict(s, job, PROGRESS_REFUSED, i,
			    job_reply_text(o->reply));
	}
}

void
job_expire(struct job *job)
{
	job->hold = HOLD_EXPIRED;
	job_log(job, PROGRESS_HELD, 0, 0, "expired");
}

/* Some are left: record the try and choose the next one, or none. */
static void
conclude(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	job_plan(s, job);
	record_try(s, job);
	if (m->attempts < UINT16_MAX)
		m->attempts++;
	job_log(job, PROGRESS_TRIED, m->attempts, job->plan.at, "");
	job->hold = HOLD_NONE;
	if (job->plan.expired && !job->kept) {
		job_expire(job);
	} else if (job->crashed && job->crashes >= CRASHES_MAX) {
		job->hold = HOLD_CRASH;
		job_log(job, PROGRESS_HELD, 0, 0, "crash");
		job_event_held(s, m, "held", "its delivery crashes");
	}
	job->concluded = true;
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", m->id);
}

/* Nothing of it could be tried: it waits for its destination. */
static uint64_t
wait_untried(struct sched *s, const struct job *job)
{
	uint64_t ms = job->wake > s->now ? job->wake - s->now : 0;
	uint64_t end = job_end_of_life(s, job);

	job->message->parked_at = job->parked_at;
	if (end > s->wall / 1000000 && job_wait_ms(s, end) < ms)
		ms = job_wait_ms(s, end);
	return ms;
}

static bool
has_deferred(const struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (job->rcpts[i].state == RCPT_DEFERRED)
			return true;
	for (unsigned i = 0; i < job->norigins; i++)
		if (job->origins[i].state == ORIGIN_DEFERRED)
			return true;
	return false;
}

static uint64_t
choose_wait(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t ms = job_wait_ms(s, job->plan.at);

	if (job->hold == HOLD_CRASH) {
		m->flags |= MESSAGE_HELD;
		ms = job_hold_ms(s, job);
	} else if (job->wake != 0 && !has_deferred(job)) {
		ms = wait_untried(s, job);
	}
	if (!job->unreported)
		return ms;
	m->flags |= MESSAGE_REPORT;
	return ms < AGAIN_LATER ? ms : AGAIN_LATER;
}

static void
park(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t ms = choose_wait(s, job);
	bool stays = job->hold == HOLD_OTHER || job->kept;

	/* What it knows and the disk does not, memory has to keep. */
	if (job->unsaved.len > 0) {
		job_close_file(s, job);
		m->flags &= (uint8_t)~MESSAGE_HELD;
		ms = stays ? AGAIN_LATER : ms;
	} else {
		job_free(s, job);
		if (stays && (m->flags & MESSAGE_REPORT) == 0) {
			m->flags |= MESSAGE_HELD;
			m->flags &= (uint8_t)~MESSAGE_FORCED;
			return;
		}
	}
	if ((m->flags & MESSAGE_FORCED) != 0) {
		m->flags &= (uint8_t)~MESSAGE_HELD;
		ms = 0;
	}
	job_wait(s, m, ms);
}

void
job_settle(struct sched *s, struct job *job)
{
	enum report_kind kind;

	if (job_left(job) == 0) {
		finish(s, job);
		return;
	}
	if (job->tried && !job->concluded)
		conclude(s, job);
	if (job->discarded) {
		job_discard(s, job);
		return;
	}
	kind = job_report_due(s, job);
	if (kind != REPORT_NONE) {
		job->report = kind;
		report_ask(s, job);
	} else if (job->sync != SYNC_NONE) {
		/* Its descriptor may be at the child: terminal must be safe. */
		job->settling = true;
	} else {
		park(s, job);
	}
}
