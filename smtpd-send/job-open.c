/* SPDX-License-Identifier: ISC */
/* From "due" to the start of a try: open, ask, record, sync. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "job-parts.h"
#include "log.h"
#include "spool.h"

#define UNREADY_OLD 3600 /* s: unfinished and so old: torn */
#define UNREADY_YOUNG 60 /* s: may be finished any moment */
#define LOOKS_TELL 2
#define LOOKS_MAX 1800 /* an hour of AGAIN_SOON */

void
job_wait(struct sched *s, struct message *m, uint64_t ms)
{
	heap_put(&s->heap, m, s->now + ms);
}

void
job_forget(struct sched *s, struct message *m)
{
	heap_remove(&s->heap, m);
	table_remove(&s->table, m);
}

void
job_hold(struct sched *s, struct message *m, const char *event, const char *why)
{
	m->flags |= MESSAGE_HELD;
	job_event_held(s, m, event, why);
}

void
job_close_file(struct sched *s, struct job *job)
{
	if (job->fd == -1)
		return;
	(void)close(job->fd);
	job->fd = -1;
	s->nopen--;
}

static void
put_aside(struct sched *s, struct message *m)
{
	if (!spool_put_aside(s->queue, m)) {
		warn_sys("cannot move '%s' to torn", m->id);
		job_wait(s, m, AGAIN_LATER);
		return;
	}
	job_event_held(s, m, "torn", "it was never committed");
	job_forget(s, m);
}

/* Not (yet) a whole message. */
static void
not_ready(struct sched *s, struct message *m, bool received)
{
	uint64_t born = queue_id_time(m->id);
	uint64_t age = s->wall > born ? (s->wall - born) / 1000000 : 0;

	if (!received && age > UNREADY_OLD) {
		put_aside(s, m);
		return;
	}
	m->flags |= MESSAGE_UNREADY;
	job_wait(s, m,
	    received || age < UNREADY_YOUNG ? AGAIN_SOON : AGAIN_LATER);
}

/*
 * A delivery that was begun before has it, as nobody may for so long as
 * LOOKS_MAX: then the lock has leaked. (At the first look it may also be the
 * last moment of smtpd-queue.)
 */
static void
locked(struct sched *s, struct message *m)
{
	m->looks++;
	if (m->looks == LOOKS_TELL)
		job_event_held(s, m, "locked", "a delivery still has it");
	if (m->looks == LOOKS_MAX)
		job_event_held(s, m, "locked", "for too long: not respected");
	m->flags |= MESSAGE_UNREADY;
	job_wait(s, m, AGAIN_SOON);
}

/* Whatever the reason is: not all messages at once must meet it. */
static void
trouble(struct sched *s, struct message *m)
{
	s->pause = s->now + AGAIN_PAUSE;
	job_wait(s, m, AGAIN_LATER);
}

static void
not_opened(struct sched *s, struct message *m, enum spool_result r)
{
	switch (r) {
	case SPOOL_OPENED:
		break;
	case SPOOL_GONE:
		job_forget(s, m);
		break;
	case SPOOL_RECEIVED:
	case SPOOL_UNREADABLE:
		not_ready(s, m, r == SPOOL_RECEIVED);
		break;
	case SPOOL_LOCKED:
		locked(s, m);
		break;
	case SPOOL_IOERR:
		warn_sys("cannot open '%s'", m->id);
		trouble(s, m);
		break;
	}
}

/* It was read before, or stands where only committed ones come to. */
static bool
was_committed(const struct message *m)
{
	return (m->flags & MESSAGE_SEEN) != 0 || (m->flags & MESSAGE_NEW) == 0;
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
		if (!was_committed(m)) {
			not_ready(s, m, false);
			break;
		}
		__attribute__((fallthrough));
	case LOAD_CORRUPT:
		job_hold(s, m, "held", "the queue file is damaged");
		break;
	case LOAD_IOERR:
		trouble(s, m);
		break;
	}
}

/*
 * What is held: given up, so that it is only to be told; crashing, so that
 * postmaster is told, and at the end of its life the sender.
 */
static bool
is_to_be_told(const struct sched *s, struct job *job)
{
	if (job->hold == HOLD_CRASH && job_is_old(s, job))
		job_expire(job);
	return job->hold == HOLD_EXPIRED ||
	    (job->hold == HOLD_CRASH && !job->told_hold);
}

static void
put_back(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	uint64_t ms = job->hold == HOLD_CRASH ? job_hold_ms(s, job) :
						job_wait_ms(s, job->plan.at);

	if (job->hold != HOLD_NONE || job->kept)
		m->flags |= MESSAGE_HELD;
	if (job->hold != HOLD_OTHER && !job->kept)
		job_wait(s, m, ms);
	job_free(s, job);
}

/*
 * At the first sight of a message its log decides whether it is due, and for
 * what. True: it is not, and has been put back.
 */
static bool
must_wait(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	bool early = (m->flags & MESSAGE_SEEN) == 0 ||
	    (m->flags & MESSAGE_REPORT) != 0;
	bool forced = (m->flags & MESSAGE_FORCED) != 0;

	m->looks = 0;
	m->flags |= MESSAGE_SEEN;
	m->flags &= (uint8_t) ~(MESSAGE_FORCED | MESSAGE_UNREADY |
	    MESSAGE_REPORT | MESSAGE_HELD);
	if (job->discarded || job->given_up) {
		job->report_only = true;
	} else if (job->kept) {
		job->report_only = job_has_failed(job);
	} else if (forced) {
		return false;
	} else if (job->hold == HOLD_NONE) {
		if (!early || job->plan.at <= s->wall / 1000000)
			return false;
		job->report_only = job_has_failed(job);
	} else {
		job->report_only = is_to_be_told(s, job);
	}
	if (job->report_only)
		return false;
	put_back(s, job);
	return true;
}

/* Not loaded yet. On failure fd is closed. */
static struct job *
new_job(struct sched *s, struct message *m, int fd)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		(void)close(fd);
		return NULL;
	}
	job->message = m;
	job->fd = fd;
	m->job = job;
	s->nopen++;
	return job;
}

static struct job *
make_job(struct sched *s, struct message *m, int fd)
{
	struct job *job = new_job(s, m, fd);
	enum load_result r;

	if (job == NULL) {
		trouble(s, m);
		return NULL;
	}
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

/* Those of one origin stand together: one question, one answer. */
static unsigned
count_same_origin(const struct job *job, unsigned i)
{
	unsigned n = 1;

	while (i + n < job->nrcpts &&
	    job->rcpts[i + n].origin == job->rcpts[i].origin)
		n++;
	return n;
}

/*
 * Crash states: said and not recorded: asked and said once more, before
 * anything was delivered.
 */
static void
tell_expansions(struct sched *s, const struct job *job)
{
	unsigned n;

	for (unsigned i = job->nlogged; i < job->nrcpts; i += n) {
		n = count_same_origin(job, i);
		if (n > 1 || !is_plain(job, &job->rcpts[i]))
			job_event_expanded(s, job, &job->rcpts[i], n);
	}
}

/* Goes on where it stands: ask, record, sync, start. */
static void
advance(struct sched *s, struct job *job)
{
	if (!job->report_only && is_asking(job)) {
		intake_ask(s, job);
		return;
	}
	for (unsigned i = job->nlogged; i < job->nrcpts; i++)
		if (!is_plain(job, &job->rcpts[i]))
			job->sync_first = true;
	tell_expansions(s, job);
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
	job_start(s, job);
}

void
job_expanded(struct sched *s, struct job *job)
{
	advance(s, job);
}

static enum spool_result
reopen(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	enum spool_result r = SPOOL_OPENED;

	if (job->fd == -1) {
		r = spool_open(s->queue, m, m->looks >= LOOKS_MAX, &job->fd);
		s->nopen += r == SPOOL_OPENED;
	}
	return r;
}

bool
job_reopen(struct sched *s, struct job *job)
{
	return reopen(s, job) == SPOOL_OPENED;
}

/* Its log could not be written at the end of the last try. */
static void
resume(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	enum spool_result r = reopen(s, job);

	if (r == SPOOL_GONE)
		job_free(s, job);
	if (r != SPOOL_OPENED) {
		not_opened(s, m, r);
		return;
	}
	m->looks = 0;
	m->flags &= (uint8_t)~MESSAGE_FORCED;
	job->planned = job->tried = job->concluded = job->crashed = false;
	job->report_only = job_is_stopped(job);
	job->unreported = false;
	job->wake = 0;
	for (unsigned i = 0; i < job->norigins; i++)
		if (job->origins[i].state == ORIGIN_DEFERRED)
			job->origins[i].state = ORIGIN_UNASKED;
	advance(s, job);
}

void
job_open(struct sched *s, struct message *m)
{
	enum spool_result r;
	struct job *job;
	int fd;

	m->parked_at = 0;
	if (m->job != NULL) {
		resume(s, m->job);
		return;
	}
	r = spool_open(s->queue, m, m->looks >= LOOKS_MAX, &fd);
	if (r != SPOOL_OPENED) {
		not_opened(s, m, r);
		return;
	}
	job = make_job(s, m, fd);
	if (job != NULL)
		advance(s, job);
}

static const char *
why_not_opened(enum spool_result r)
{
	switch (r) {
	case SPOOL_OPENED:
		break;
	case SPOOL_GONE:
		return "it has just gone";
	case SPOOL_RECEIVED:
	case SPOOL_UNREADABLE:
		return "it is not received completely";
	case SPOOL_LOCKED:
		return "a delivery from before the restart still has it";
	case SPOOL_IOERR:
		return strerror(errno);
	}
	return "";
}

static const char *
why_not_loaded(enum load_result r)
{
	switch (r) {
	case LOAD_OK:
		break;
	case LOAD_TORN:
		return "it is not received completely";
	case LOAD_CORRUPT:
		return "its queue file is damaged";
	case LOAD_IOERR:
		return strerror(errno);
	}
	return "";
}

struct job *
job_fetch(struct sched *s, struct message *m, const char **why)
{
	enum spool_result o;
	enum load_result l;
	struct job *job;
	int fd;

	if (m->job != NULL) {
		o = reopen(s, m->job);
		*why = why_not_opened(o);
		return o == SPOOL_OPENED ? m->job : NULL;
	}
	o = spool_open(s->queue, m, m->looks >= LOOKS_MAX, &fd);
	*why = why_not_opened(o);
	if (o != SPOOL_OPENED)
		return NULL;
	job = new_job(s, m, fd);
	if (job == NULL) {
		*why = strerror(ENOMEM);
		return NULL;
	}
	l = job_load(s, job, fd);
	*why = why_not_loaded(l);
	if (l == LOAD_OK)
		return job;
	job_free(s, job);
	return NULL;
}

void
job_release(struct sched *s, struct job *job, uint64_t ms)
{
	struct message *m = job->message;

	/* What it knows and the disk does not, memory has to keep. */
	if (job->unsaved.len > 0)
		job_close_file(s, job);
	else
		job_free(s, job);
	job_wait(s, m, ms);
}
