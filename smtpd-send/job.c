/* SPDX-License-Identifier: ISC */
/* A message's way from "due" to "removed" or "due again". */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "job-parts.h"
#include "log.h"
#include "spool.h"

#define CRASHES_MAX 3
#define UNREADY_OLD 3600	/* s: unfinished and so old: torn */
#define UNREADY_YOUNG 60	/* s: may be finished any moment */

static void
wait_ms(struct sched *s, struct message *m, uint64_t ms)
{
	if (!heap_put(&s->heap, m, s->now + ms)) {
		/* The listing, or the next start, finds it again. */
		warn("no memory for '%s'", m->id);
		table_remove(&s->table, m);
	}
}

static void
forget(struct sched *s, struct message *m)
{
	heap_remove(&s->heap, m);
	table_remove(&s->table, m);
}

static void
hold(struct sched *s, struct message *m, const char *event, const char *why)
{
	m->flags |= MESSAGE_HELD;
	job_event_held(s, m, event, why);
}

/* --- opening -------------------------------------------------------------- */

static void
not_ready(struct sched *s, struct message *m, bool locked)
{
	uint64_t born = queue_id_time(m->id);
	uint64_t age = s->wall > born ? (s->wall - born) / 1000000 : 0;

	if (!locked && age > UNREADY_OLD) {
		if (!spool_put_aside(s->queue, m)) {
			warn_sys("cannot move '%s' to torn", m->id);
			wait_ms(s, m, AGAIN_LATER);
			return;
		}
		job_event_held(s, m, "torn", "it was never committed");
		forget(s, m);
		return;
	}
	m->flags |= MESSAGE_UNREADY;
	wait_ms(s, m, locked || age < UNREADY_YOUNG ? AGAIN_SOON : AGAIN_LATER);
}

static void
not_opened(struct sched *s, struct message *m, enum spool_result r)
{
	switch (r) {
	case SPOOL_OPENED:
		break;
	case SPOOL_GONE:
		forget(s, m);
		break;
	case SPOOL_LOCKED:
	case SPOOL_UNREADABLE:
		not_ready(s, m, r == SPOOL_LOCKED);
		break;
	case SPOOL_IOERR:
		warn_sys("cannot open '%s'", m->id);
		wait_ms(s, m, AGAIN_LATER);
		break;
	}
}

static void
not_loaded(struct sched *s, struct job *job, enum load_result r)
{
	struct message *m = job->message;

	if (r == LOAD_IOERR)
		warn_sys("cannot read '%s'", m->id);
	job_free(s, job);
	switch (r) {
	case LOAD_OK:
		break;
	case LOAD_TORN:
		not_ready(s, m, false);
		break;
	case LOAD_CORRUPT:
		hold(s, m, "held", "the queue file is damaged");
		break;
	case LOAD_IOERR:
		wait_ms(s, m, AGAIN_LATER);
		break;
	}
}

/*
 * At the first sight of a message its log decides whether it is due. The log
 * counts in wall time: a clock that was set must not park it for years.
 */
static bool
must_wait(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t now = s->wall / 1000000, at = job->plan.at;
	bool first = (m->flags & MESSAGE_SEEN) == 0;
	bool forced = (m->flags & MESSAGE_FORCED) != 0;

	m->flags |= MESSAGE_SEEN;
	m->flags &= (uint8_t)~(MESSAGE_FORCED | MESSAGE_UNREADY);
	if (forced || (!job->held && (!first || at <= now)))
		return false;
	if (job->held)
		m->flags |= MESSAGE_HELD;
	job_free(s, job);
	if ((m->flags & MESSAGE_HELD) == 0)
		wait_ms(s, m, (at - now < SCHEDULE_DELAY_MAX ? at - now :
		    SCHEDULE_DELAY_MAX) * 1000);
	return true;
}

static struct job *
make_job(struct sched *s, struct message *m, int fd)
{
	struct job *job = calloc(1, sizeof(*job));
	enum load_result r;

	if (job == NULL) {
		(void)close(fd);
		wait_ms(s, m, AGAIN_LATER);
		return NULL;
	}
	job->message = m;
	job->fd = fd;
	m->job = job;
	s->nopen++;
	r = job_load(s, job, fd);
	if (r != LOAD_OK) {
		not_loaded(s, job, r);
		return NULL;
	}
	return must_wait(s, job) ? NULL : job;
}

static bool
is_asking(const struct job *job)
{
	for (unsigned i = 0; i < job->norigins; i++)
		if (job->origins[i].state == ORIGIN_UNASKED)
			return true;
	return false;
}

/* Is it what the R frame says anyway? Then it needs no record. */
static bool
is_plain(const struct job *job, const struct rcpt *r)
{
	const struct origin *o = &job->origins[r->origin];

	return r->index == r->origin && (rcpt_user(r).n > 0) == o->local &&
	    span_eq(rcpt_address(r), origin_path(job, r->origin));
}

static void start(struct sched *, struct job *);

/* Goes on where it stands: ask, record, sync, start. */
static void
advance(struct sched *s, struct job *job)
{
	if (is_asking(job)) {
		intake_ask(s, job);
		return;
	}
	for (unsigned i = job->nlogged; i < job->nrcpts; i++)
		if (!is_plain(job, &job->rcpts[i]))
			job->sync_first = true;
	if (job->sync_first || (job->log_begun && job->nlogged < job->nrcpts))
		job_log_rcpts(job);
	if (!job_save(s, job)) {
		warn_sys("cannot write the log of '%s'", job->message->id);
		job_release(s, job, AGAIN_LATER);
		return;
	}
	if (job->sync_first) {
		job->starting = true;
		sync_ask(s, job);
		return;
	}
	start(s, job);
}

/* Its log could not be written at the end of the last try. */
static void
resume(struct sched *s, struct job *job)
{
	if (!job_reopen(s, job)) {
		wait_ms(s, job->message, AGAIN_SOON);
		return;
	}
	job->message->flags &= (uint8_t)~MESSAGE_FORCED;
	job->planned = job->concluded = job->crashed = false;
	for (unsigned i = 0; i < job->norigins; i++)
		if (job->origins[i].state != ORIGIN_EXPANDED)
			job->origins[i].state = ORIGIN_UNASKED;
	advance(s, job);
}

void
job_open(struct sched *s, struct message *m)
{
	enum spool_result r;
	struct job *job;
	int fd;

	if (m->job != NULL) {
		resume(s, m->job);
		return;
	}
	r = spool_open(s->queue, m, &fd);
	if (r != SPOOL_OPENED) {
		not_opened(s, m, r);
		return;
	}
	job = make_job(s, m, fd);
	if (job != NULL)
		advance(s, job);
}

bool
job_reopen(struct sched *s, struct job *job)
{
	if (job->fd != -1)
		return true;
	if (spool_open(s->queue, job->message, &job->fd) != SPOOL_OPENED) {
		job->fd = -1;
		return false;
	}
	s->nopen++;
	return true;
}

static void
close_file(struct sched *s, struct job *job)
{
	if (job->fd == -1)
		return;
	(void)close(job->fd);
	job->fd = -1;
	s->nopen--;
}

void
job_release(struct sched *s, struct job *job, uint64_t ms)
{
	struct message *m = job->message;

	/* What it knows and the disk does not, memory has to keep. */
	if (job->unsaved.len > 0)
		close_file(s, job);
	else
		job_free(s, job);
	wait_ms(s, m, ms);
}

/* --- a try ------------------------------------------------------------------ */

unsigned
job_attempt(const struct job *job)
{
	const struct message *m = job->message;

	return m->attempts > 0 ? m->attempts :
	    (m->flags & MESSAGE_OLD) != 0;
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

static void
start(struct sched *s, struct job *job)
{
	if (s->stopping) {
		job_release(s, job, AGAIN_SOON);
		return;
	}
	if (s->nrcpts > SCHED_RCPTS_MAX && local_must_wait(s, job)) {
		job_release(s, job, AGAIN_LATER);
		return;
	}
	job->busy = 1;		/* a guard: verdicts may come at once */
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct rcpt *r = &job->rcpts[i];

		if (!is_to_be_tried(r))
			continue;
		r->state = RCPT_BUSY;
		r->recorded = false;
		job->busy++;
		(rcpt_user(r).n > 0 ? &local_transport :
		    &remote_transport)->submit(s, r);
	}
	if (s->nopen > SCHED_OPEN_MAX && job->running == 0)
		close_file(s, job);
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
job_expanded(struct sched *s, struct job *job)
{
	advance(s, job);
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
		start(s, job);
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
		forget(s, m);
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
		hold(s, m, "held", "its delivery crashes");
	} else if (job->plan.expired) {
		job_log(job, PROGRESS_HELD, 0, 0, "expired");
		hold(s, m, "expired", "queue_lifetime is over");
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
		close_file(s, job);
		m->flags &= (uint8_t)~MESSAGE_HELD;
	} else {
		job_free(s, job);
	}
	if ((m->flags & MESSAGE_HELD) == 0)
		wait_ms(s, m, wait * 1000);
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
