/* SPDX-License-Identifier: ISC */
/* A message's life: one machine, whose table smtpd-send(8) has. */
#include <errno.h>

#include "log.h"
#include "scheduler.h"

#define UNREADY_OLD 3600 /* s: unfinished and so old: torn */
#define UNREADY_YOUNG 60 /* s: may be finished any moment */

/* --- at rest ------------------------------------------------------------------ */

/* It waits, in that step, and is due again in ms. */
static void
life_wait(struct sched *s, struct message *m, enum step step, uint64_t ms)
{
	m->step = (uint8_t)step;
	heap_put(&s->heap, m, s->now + ms);
}

static void
life_forget(struct sched *s, struct message *m)
{
	heap_remove(&s->heap, m);
	table_remove(&s->table, m);
}

/* Records that could not be written are kept in memory. */
static bool
life_keep_unsaved(struct sched *s, struct job *job)
{
	if (job->log.unsaved.len > 0) {
		job_close_file(s, job);
		return true;
	}
	job_free(s, job);
	return false;
}

/* Lets go of it, uncounted. */
static void
life_release(struct sched *s, struct job *job, uint64_t ms)
{
	struct message *m = job->message;

	(void)life_keep_unsaved(s, job);
	life_wait(s, m, STEP_WAITING, ms);
}

/* Nothing is left to do now: it waits for its time, or is held. */
static void
life_rest(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t ms = attempt_wait(s, job);
	bool stays = job->hold == HOLD_OTHER || job->will == WILL_HOLD;
	bool held = stays || job->hold == HOLD_CRASH;
	bool untold = job->untold;

	if (untold) {
		ms = ms < AGAIN_LATER ? ms : AGAIN_LATER;
		if (m->due_for != DUE_NOW)
			m->due_for = DUE_LOOK;
	}
	if (life_keep_unsaved(s, job)) {
		held = false;
		ms = stays ? AGAIN_LATER : ms;
	} else if (stays && !untold) {
		m->step = STEP_HELD;
		m->due_for = DUE_TRY;
		return;
	}
	if (m->due_for == DUE_NOW)
		life_wait(s, m, STEP_WAITING, 0);
	else
		life_wait(s, m, held ? STEP_HELD : STEP_WAITING, ms);
}

/* --- the end ------------------------------------------------------------------- */

/* The queue file could not be removed: the next start must not do it again. */
static void
life_record_end(struct sched *s, struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct rcpt *r = &job->rcpts[i];

		if (!rcpt_is_done(r))
			continue;
		if (!r->recorded)
			job_log_verdict(s, job, PROGRESS_DONE, r->index,
			    SPAN("250 2.0.0 Delivered"));
		r->recorded = true;
	}
	(void)job_save(s, job);
}

/*
 * Crash states: before the last line of the log on stderr, and between it and
 * the unlink, everything may happen once more, which smtpd-local notices and
 * the log says. After the unlink the message's log is an orphan, which the
 * next start sweeps, and no line says "removed".
 */
static void
life_remove(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	bool logged = (m->flags & MESSAGE_LOGGED) != 0;

	sync_forget(s, job);
	if (!spool_remove(s->queue, m)) {
		warn_sys("cannot remove '%s'", m->id);
		life_record_end(s, job);
		life_release(s, job, AGAIN_LATER);
		return;
	}
	if (logged)
		spool_log_remove(s->queue, m->id);
	if (logged || job->nrcpts > 1 || job->will == WILL_REMOVE)
		event_removed(s, m);
	job_free(s, job);
	life_forget(s, m);
}

bool
life_remove_damaged(struct sched *s, struct message *m)
{
	if (!spool_remove(s->queue, m))
		return false;
	spool_log_remove(s->queue, m->id);
	event_removed(s, m);
	life_forget(s, m);
	return true;
}

/*
 * Crash states: the order is recorded already, so the next start discards
 * what is left, and logs these lines once more.
 */
static void
life_discard(struct sched *s, struct job *job)
{
	unsigned left = job_left(job);

	for (unsigned i = 0; i < job->nrcpts; i++)
		if (!rcpt_is_done(&job->rcpts[i]))
			event_discarded(s, job, job->rcpts[i].index,
			    rcpt_address(&job->rcpts[i]), --left);
	for (unsigned i = 0; i < job->naddressees; i++)
		if (!addressee_is_done(&job->addressees[i]))
			event_discarded(s, job, i, addressee_path(job, i),
			    --left);
	life_remove(s, job);
}

/* --- the review: after an attempt, or instead of one -------------------------------- */

/* Once, at the first attempt that leaves it waiting so long. */
static bool
life_is_delayed(const struct sched *s, const struct job *job)
{
	uint64_t born = queue_id_time(job->message->id) / 1000000;
	uint64_t now = s->wall / 1000000;

	return s->conf->delay_notice > 0 && job->attempt == ATTEMPT_RECORDED &&
	    !job->told_delay && job->hold == HOLD_NONE && now > born &&
	    now - born >= s->conf->delay_notice &&
	    clockwatch_may_expire(&s->clock, s->now) &&
	    !span_eq(job_sender(job), SPAN("<>"));
}

static enum notice
life_notice(const struct sched *s, const struct job *job)
{
	if (s->stopping || job->untold)
		return NOTICE_NONE;
	if (job->will == WILL_BOUNCE)
		return NOTICE_ORDERED;
	if (job->hold == HOLD_EXPIRED && job->will != WILL_HOLD)
		return NOTICE_EXPIRED;
	if (job_has_failed(job))
		return NOTICE_REFUSED;
	if (job->hold == HOLD_CRASH && !job->told_hold)
		return NOTICE_HELD;
	return life_is_delayed(s, job) ? NOTICE_DELAYED : NOTICE_NONE;
}

/*
 * Every recipient is settled, or waits. Its descriptor may be at the child
 * that syncs: then the results are not safe yet.
 */
static void
life_review(struct sched *s, struct job *job)
{
	struct message *m = job->message;

	if (job_left(job) == 0) {
		life_remove(s, job);
		return;
	}
	attempt_conclude(s, job);
	if (job->will == WILL_REMOVE) {
		life_discard(s, job);
		return;
	}
	job->notice = life_notice(s, job);
	if (job->notice != NOTICE_NONE) {
		m->step = STEP_NOTIFYING;
		bouncer_ask(s, job);
	} else if (job->sync != SYNC_NONE) {
		m->step = STEP_SYNCING;
	} else {
		life_rest(s, job);
	}
}

/* --- before an attempt ---------------------------------------------------------------- */

/* Is everybody it goes to busy, or all of us, so that it would only wait? */
static bool
life_would_wait(const struct sched *s, const struct job *job)
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

static void
life_deliver(struct sched *s, struct job *job)
{
	if (s->stopping) {
		life_release(s, job, AGAIN_SOON);
		return;
	}
	if (s->nrcpts > SCHED_RCPTS_MAX && life_would_wait(s, job)) {
		life_release(s, job, AGAIN_LATER);
		return;
	}
	job->message->step = STEP_DELIVERING;
	attempt_start(s, job);
}

/* Is it exactly the addressee? Then it needs no record. */
static bool
life_is_plain(const struct job *job, const struct rcpt *r)
{
	const struct addressee *a = &job->addressees[r->addressee];

	return r->index == r->addressee && (rcpt_user(r).n > 0) == a->local &&
	    span_eq(rcpt_address(r), addressee_path(job, r->addressee));
}

/* Those of one addressee are in a row: one question, one answer. */
static unsigned
life_count_same(const struct job *job, unsigned i)
{
	unsigned n = 1;

	while (i + n < job->nrcpts &&
	    job->rcpts[i + n].addressee == job->rcpts[i].addressee)
		n++;
	return n;
}

/*
 * Crash states: said and not recorded: asked and said once more, before
 * anything was delivered.
 */
static void
life_tell_expansions(struct sched *s, const struct job *job)
{
	unsigned n;

	for (unsigned i = job->log.nrcpts; i < job->nrcpts; i += n) {
		n = life_count_same(job, i);
		if (n > 1 || !life_is_plain(job, &job->rcpts[i]))
			event_expanded(s, job, &job->rcpts[i], n);
	}
}

/* All recipients are known: on disk, before any of them has the message. */
static void
life_record(struct sched *s, struct job *job)
{
	struct job_log *log = &job->log;

	for (unsigned i = log->nrcpts; i < job->nrcpts; i++)
		if (!life_is_plain(job, &job->rcpts[i]))
			log->first = true;
	life_tell_expansions(s, job);
	if (log->first || (log->begun && log->nrcpts < job->nrcpts))
		job_log_rcpts(job);
	if (!job_save(s, job)) {
		life_release(s, job, AGAIN_LATER);
	} else if (log->first) {
		job->message->step = STEP_RECORDING;
		sync_ask(s, job);
	} else {
		life_deliver(s, job);
	}
}

static bool
life_must_ask(const struct job *job)
{
	for (unsigned i = 0; i < job->naddressees; i++)
		if (job->addressees[i].state == ADDRESSEE_UNASKED)
			return true;
	return false;
}

static void
life_try(struct sched *s, struct job *job)
{
	if (life_must_ask(job)) {
		job->message->step = STEP_ASKING;
		intake_ask(s, job);
	} else {
		life_record(s, job);
	}
}

/* --- opening ------------------------------------------------------------------------ */

static void
life_put_aside(struct sched *s, struct message *m)
{
	if (!spool_put_aside(s->queue, m)) {
		warn_sys("cannot move '%s' to torn", m->id);
		life_wait(s, m, STEP_UNREADY, AGAIN_LATER);
		return;
	}
	event_held(s, m, "torn", "it was never complete");
	life_forget(s, m);
}

/* Not (yet) a whole message. */
static void
life_not_ready(struct sched *s, struct message *m, bool received)
{
	uint64_t born = queue_id_time(m->id);
	uint64_t age = s->wall > born ? (s->wall - born) / 1000000 : 0;

	if (!received && age > UNREADY_OLD)
		life_put_aside(s, m);
	else
		life_wait(s, m, STEP_UNREADY,
		    received || age < UNREADY_YOUNG ? AGAIN_SOON : AGAIN_LATER);
}

/*
 * A delivery of an earlier scheduler has it; smtpd-queue may, at the first
 * look. No delivery takes as long as LOOKS_MAX: then the lock has leaked.
 */
static void
life_locked(struct sched *s, struct message *m)
{
	m->looks++;
	if (m->looks == LOOKS_TELL)
		event_held(s, m, "locked", "another delivery still holds it");
	if (m->looks == LOOKS_MAX)
		event_held(s, m, "locked",
		    "locked for too long: the lock is ignored");
	life_wait(s, m, STEP_UNREADY, AGAIN_SOON);
}

/* Whatever the reason is: not all messages at once must meet it. */
static void
life_trouble(struct sched *s, struct message *m)
{
	s->pause = s->now + AGAIN_PAUSE;
	life_wait(s, m, STEP_WAITING, AGAIN_LATER);
}

static void
life_not_opened(struct sched *s, struct message *m, enum spool_result r)
{
	switch (r) {
	case SPOOL_OPENED:
		break;
	case SPOOL_GONE:
		if (m->job != NULL)
			job_free(s, m->job);
		life_forget(s, m);
		break;
	case SPOOL_RECEIVED:
	case SPOOL_UNREADABLE:
		life_not_ready(s, m, r == SPOOL_RECEIVED);
		break;
	case SPOOL_LOCKED:
		life_locked(s, m);
		break;
	case SPOOL_IOERR:
		warn_sys("cannot open '%s'", m->id);
		life_trouble(s, m);
		break;
	}
}

/* It was read before, or is where only committed ones come to. */
static bool
life_was_committed(const struct message *m)
{
	return (m->flags & MESSAGE_COMMITTED) != 0 ||
	    (m->flags & MESSAGE_NEW) == 0;
}

static void
life_not_loaded(struct sched *s, struct message *m, enum queued_result r)
{
	switch (r) {
	case QUEUED_OK:
		break;
	case QUEUED_TORN:
		if (!life_was_committed(m)) {
			life_not_ready(s, m, false);
			break;
		}
		__attribute__((fallthrough));
	case QUEUED_CORRUPT:
		m->step = STEP_HELD;
		event_held(s, m, "held", "the queue file is damaged");
		break;
	case QUEUED_GONE:
	case QUEUED_RECEIVING:
	case QUEUED_IOERR:
		warn_sys("cannot read '%s'", m->id);
		life_trouble(s, m);
		break;
	}
}

/* Its time has come: is it to be tried, or are only its results to be seen to? */
static bool
life_is_due(const struct sched *s, struct job *job, enum due due)
{
	if (job->will != WILL_DELIVER)
		return false;
	if (due == DUE_NOW)
		return true;
	switch (job->hold) {
	case HOLD_NONE:
		return due == DUE_TRY || job->plan.at <= s->wall / 1000000;
	case HOLD_CRASH:
		if (job_is_old(s, job))
			job_expire(job);
		break;
	case HOLD_EXPIRED:
	case HOLD_OTHER:
		break;
	}
	return false;
}

static void
life_run(struct sched *s, struct job *job, bool due)
{
	if (due)
		life_try(s, job);
	else if (job_save(s, job))
		life_review(s, job);
	else
		life_release(s, job, AGAIN_LATER);
}

/* How far it came. errno says why, if it was no further. */
struct life_reading {
	enum spool_result opened;
	enum queued_result loaded;
};

/* The job that was kept, or a new one; NULL: *r says. */
static struct job *
life_read(struct sched *s, struct message *m, struct life_reading *r)
{
	struct job *job = m->job;
	int fd, saved;

	*r = (struct life_reading){ SPOOL_OPENED, QUEUED_OK };
	if (job != NULL) {
		r->opened = job_open_file(s, job);
		return r->opened == SPOOL_OPENED ? job : NULL;
	}
	r->opened = spool_open(s->queue, m, m->looks >= LOOKS_MAX, &fd);
	if (r->opened != SPOOL_OPENED)
		return NULL;
	job = job_new(s, m, fd);
	r->loaded = job != NULL ? job_load(s, job, fd) : QUEUED_IOERR;
	if (r->loaded == QUEUED_OK) {
		m->job = job;
		return job;
	}
	saved = errno;
	if (job != NULL)
		job_free(s, job);
	errno = saved;
	return NULL;
}

/* For the next attempt, if it was kept because its log could not be written. */
static void
life_renew(struct job *job)
{
	job->attempt = ATTEMPT_NONE;
	job->crashed = job->untold = false;
	job->wake = 0;
	for (unsigned i = 0; i < job->naddressees; i++)
		if (job->addressees[i].state == ADDRESSEE_DEFERRED)
			job->addressees[i].state = ADDRESSEE_UNASKED;
}

static void
life_due(struct sched *s, struct message *m)
{
	enum due due = m->job != NULL ? DUE_NOW : (enum due)m->due_for;
	struct life_reading r;
	struct job *job;

	m->parked_at = 0;
	job = life_read(s, m, &r);
	if (r.opened != SPOOL_OPENED) {
		life_not_opened(s, m, r.opened);
		return;
	}
	if (job == NULL) {
		life_not_loaded(s, m, r.loaded);
		return;
	}
	m->looks = 0;
	m->flags |= MESSAGE_COMMITTED;
	m->due_for = DUE_TRY;
	life_renew(job);
	life_run(s, job, life_is_due(s, job, due));
}

/* --- the machine -------------------------------------------------------------------- */

#define ON(step, event) ((step)*LIFE_EVENTS + (event))

void
life_event(struct sched *s, struct message *m, enum life_event event)
{
	struct job *job = m->job;

	switch (ON((int)m->step, (int)event)) {
	case ON(STEP_WAITING, LIFE_DUE):
	case ON(STEP_UNREADY, LIFE_DUE):
	case ON(STEP_HELD, LIFE_DUE):
		heap_remove(&s->heap, m);
		life_due(s, m);
		break;
	case ON(STEP_WAITING, LIFE_ORDERED):
	case ON(STEP_UNREADY, LIFE_ORDERED):
	case ON(STEP_HELD, LIFE_ORDERED):
		heap_remove(&s->heap, m);
		job->untold = false;
		life_review(s, job);
		break;
	case ON(STEP_ASKING, LIFE_EXPANDED):
		life_record(s, job);
		break;
	case ON(STEP_ASKING, LIFE_UNASKED):
		life_release(s, job, job->wake - s->now);
		break;
	case ON(STEP_RECORDING, LIFE_SYNCED):
		job->log.first = false;
		life_deliver(s, job);
		break;
	case ON(STEP_RECORDING, LIFE_UNSYNCED):
		life_release(s, job, AGAIN_LATER);
		break;
	case ON(STEP_NOTIFYING, LIFE_UNNOTICED):
		job->untold = true;
		life_review(s, job);
		break;
	case ON(STEP_DELIVERING, LIFE_HEARD):
	case ON(STEP_NOTIFYING, LIFE_NOTICED):
	case ON(STEP_SYNCING, LIFE_SYNCED):
	case ON(STEP_SYNCING, LIFE_UNSYNCED):
		life_review(s, job);
		break;
	case ON(STEP_DELIVERING, LIFE_SYNCED):
	case ON(STEP_DELIVERING, LIFE_UNSYNCED):
	case ON(STEP_NOTIFYING, LIFE_SYNCED):
	case ON(STEP_NOTIFYING, LIFE_UNSYNCED):
		break; /* nothing waits for it yet */
	default:
		warn("'%s': event %d in step %d", m->id, event, m->step);
		break;
	}
}

/* --- for the operator ------------------------------------------------------------------ */

void
life_make_due(struct sched *s, struct message *m)
{
	m->due_for = DUE_NOW;
	if (message_is_active(m))
		return; /* due again after that */
	if (m->step == STEP_HELD)
		m->step = STEP_WAITING;
	heap_put(&s->heap, m, s->now);
}

unsigned
life_make_all_due(struct sched *s)
{
	struct message *m;
	unsigned active = 0;

	dispatch_hurry_all(s);
	for (m = table_first(&s->table); m != NULL;
	     m = table_after(&s->table, m)) {
		active += message_is_active(m);
		life_make_due(s, m);
	}
	return active;
}

static const char *
life_why_not_opened(enum spool_result r)
{
	switch (r) {
	case SPOOL_OPENED:
		break;
	case SPOOL_GONE:
		return "it has just left the queue";
	case SPOOL_RECEIVED:
	case SPOOL_UNREADABLE:
		return "it is not completely received";
	case SPOOL_LOCKED:
		return "a delivery from before the restart still holds it";
	case SPOOL_IOERR:
		return strerror(errno);
	}
	return "";
}

static const char *
life_why_not_loaded(enum queued_result r)
{
	switch (r) {
	case QUEUED_OK:
		break;
	case QUEUED_TORN:
		return "it is not completely received";
	case QUEUED_CORRUPT:
		return "its queue file is damaged";
	case QUEUED_GONE:
	case QUEUED_RECEIVING:
	case QUEUED_IOERR:
		return strerror(errno);
	}
	return "";
}

struct job *
life_fetch(struct sched *s, struct message *m, const char **why)
{
	struct life_reading r;
	struct job *job = life_read(s, m, &r);

	*why = r.opened != SPOOL_OPENED ? life_why_not_opened(r.opened) :
					  life_why_not_loaded(r.loaded);
	return job;
}

void
life_put_back(struct sched *s, struct job *job)
{
	(void)life_keep_unsaved(s, job);
}
