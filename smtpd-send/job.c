/* SPDX-License-Identifier: ISC */
/* A message that is being worked on: read from the queue, written to its log. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "scheduler.h"

#define UNSAVED_MAX (16 * 1024 * 1024)

/* --- texts -------------------------------------------------------------------- */

void
job_keep_reply(char **reply, struct span host, struct span text)
{
	struct sbuf b;

	sbuf_init(&b, SLOT_ROOM);
	sbuf_addspan(&b, host.n > 0 ? host : SPAN("-"));
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, text);
	free(*reply);
	*reply = b.bad ? NULL : strndup(b.s, b.len);
	sbuf_free(&b);
}

struct span
job_reply_host(const char *reply)
{
	struct span rest = span_str(reply != NULL ? reply : "-");

	return span_cut(&rest, ' ');
}

struct span
job_reply_text(const char *reply)
{
	struct span rest = span_str(reply != NULL ? reply : "");

	(void)span_cut(&rest, ' ');
	return rest;
}

static uint32_t
job_keep_text(struct job *job, struct span s)
{
	size_t at = job->text.len;

	sbuf_addspan(&job->text, s);
	sbuf_putc(&job->text, '\0');
	return (uint32_t)at;
}

/* At place 0 is the empty string. */
static struct span
job_text(const struct job *job, uint32_t at)
{
	return span_str(job->text.s + at);
}

struct span
job_sender(const struct job *job)
{
	return job_text(job, job->sender);
}

struct span
job_ordered(const struct job *job)
{
	return job_text(job, job->ordered);
}

void
job_keep_order(struct job *job, struct span text)
{
	job->ordered = job_keep_text(job, text);
}

struct span
addressee_path(const struct job *job, unsigned addressee)
{
	return job_text(job, job->addressees[addressee].path);
}

struct span
rcpt_target(const struct rcpt *r)
{
	return job_text(r->job, r->target);
}

struct span
rcpt_user(const struct rcpt *r)
{
	struct span rest = rcpt_target(r);

	if (!span_eq(span_cut(&rest, ' '), SPAN("user")))
		return span_of("", 0);
	return span_cut(&rest, ' ');
}

struct span
rcpt_address(const struct rcpt *r)
{
	return queued_address(rcpt_target(r));
}

struct span
rcpt_route(const struct rcpt *r)
{
	return job_text(r->job, r->route);
}

bool
job_keep_route(struct rcpt *r, struct span destination)
{
	r->route = job_keep_text(r->job, destination);
	return !r->job->text.bad;
}

/* --- recipients ----------------------------------------------------------------- */

bool
rcpt_is_done(const struct rcpt *r)
{
	return r->state == RCPT_DELIVERED || r->state == RCPT_BOUNCED;
}

bool
addressee_is_done(const struct addressee *a)
{
	return a->state == ADDRESSEE_EXPANDED || a->state == ADDRESSEE_BOUNCED;
}

unsigned
job_left(const struct job *job)
{
	unsigned left = 0;

	for (unsigned i = 0; i < job->nrcpts; i++)
		left += !rcpt_is_done(&job->rcpts[i]);
	for (unsigned i = 0; i < job->naddressees; i++)
		left += !addressee_is_done(&job->addressees[i]);
	return left;
}

bool
job_has_failed(const struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (job->rcpts[i].state == RCPT_FAILED)
			return true;
	for (unsigned i = 0; i < job->naddressees; i++)
		if (job->addressees[i].state == ADDRESSEE_REFUSED)
			return true;
	return false;
}

unsigned
job_attempt(const struct job *job)
{
	const struct message *m = job->message;

	return m->attempts > 0 ? m->attempts : (m->flags & MESSAGE_OLD) != 0;
}

/* NULL: no room, or no memory. */
static struct rcpt *
job_add_rcpt(struct sched *s, struct job *job, unsigned addressee,
    uint32_t index, uint32_t target)
{
	struct rcpt *r;

	if (job->nrcpts == QUEUED_RCPTS_MAX || job->text.bad)
		return NULL;
	if (job->nrcpts == job->cap) {
		unsigned cap = job->cap > 0 ? job->cap * 2 : 1;

		r = reallocarray(job->rcpts, cap, sizeof(*r));
		if (r == NULL)
			return NULL;
		job->rcpts = r;
		job->cap = cap;
	}
	r = &job->rcpts[job->nrcpts++];
	*r = (struct rcpt){ .job = job,
		.addressee = (uint16_t)addressee,
		.index = index,
		.target = target };
	if (index >= job->next_index)
		job->next_index = index + 1;
	job->addressees[addressee].state = ADDRESSEE_EXPANDED;
	s->nrcpts++;
	return r;
}

/*
 * The first rcpt of an addressee has its number as index, so that the common
 * message, of which nothing is recorded, has the same ones at every reading.
 */
bool
job_expand(struct sched *s, struct job *job, unsigned addressee,
    struct span target)
{
	bool first = job->addressees[addressee].state != ADDRESSEE_EXPANDED;

	return queued_target_valid(target) &&
	    job_add_rcpt(s, job, addressee, first ? addressee : job->next_index,
		job_keep_text(job, target)) != NULL;
}

void
job_unexpand(struct sched *s, struct job *job, unsigned n)
{
	while (job->nrcpts > n) {
		struct rcpt *r = &job->rcpts[--job->nrcpts];

		job->addressees[r->addressee].state = ADDRESSEE_UNASKED;
		s->nrcpts--;
	}
}

/* --- reading ----------------------------------------------------------------------- */

struct job *
job_new(struct sched *s, struct message *m, int fd)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		if (fd != -1)
			(void)close(fd);
		return NULL;
	}
	sbuf_init(&job->text, 1);
	sbuf_init(&job->log.unsaved, UNSAVED_MAX);
	job->message = m;
	job->fd = fd;
	s->nopen += fd != -1;
	return job;
}

/*
 * A message in new/ has a log when the start's scan found one, which happens:
 * the rename to msg/ is not synced, and the log is.
 */
static enum queued_result
job_read_log(struct sched *s, struct message *m, struct queued *q)
{
	enum progress_result r;
	int fd, saved;

	if ((m->flags & (MESSAGE_NEW | MESSAGE_LOGGED)) == MESSAGE_NEW)
		return QUEUED_OK;
	fd = spool_log_open(s->queue, m->id, false);
	if (fd == -1)
		return errno == ENOENT ? QUEUED_OK : QUEUED_IOERR;
	m->flags |= MESSAGE_LOGGED;
	r = queued_log(q, fd);
	saved = errno;
	(void)close(fd);
	errno = saved;
	return r == PROGRESS_IOERR ? QUEUED_IOERR : QUEUED_OK;
}

static enum hold
hold_of(struct span why)
{
	if (why.n == 0)
		return HOLD_NONE;
	if (span_eq(why, SPAN("crash")))
		return HOLD_CRASH;
	return span_eq(why, SPAN("expired")) ? HOLD_EXPIRED : HOLD_OTHER;
}

/* The state of the message as a whole. */
static void
job_take_state(struct job *job, const struct queued *q)
{
	struct message *m = job->message;
	uint32_t tries = q->tries < UINT16_MAX ? q->tries : UINT16_MAX;

	if (tries > m->attempts)
		m->attempts = (uint16_t)tries;
	job->nonce = q->file.nonce;
	job->size = q->file.body_len;
	job->sender = (uint32_t)q->sender;
	job->junk = q->junk;
	job->plan.at = q->next;
	job->hold = hold_of(queued_text(q, q->held));
	job->will = q->discarded ? WILL_REMOVE :
	    q->given_up          ? WILL_BOUNCE :
	    q->kept != 0         ? WILL_HOLD :
				   WILL_DELIVER;
	job->ordered = (uint32_t)q->order;
	job->crashes = q->crashes;
	job->told_delay = q->told_delay;
	job->told_hold = q->told_hold;
	job->log.length = q->log_length;
	job->log.begun = q->logged;
	/* Killed before the expansion was synced? */
	job->log.first = job->log.fresh = q->logged && m->attempts == 0;
}

static void
job_take_addressee(struct job *job, const struct queued *q, size_t i)
{
	const struct queued_rcpt *u = &q->rcpts[i];
	struct addressee *a = &job->addressees[i];
	struct span path = queued_text(q, u->target), kind = path;

	kind = span_cut(&path, ' ');
	a->local = !span_eq(kind, SPAN("remote"));
	a->path = (uint32_t)(u->target + kind.n + 1);
	if (u->state == QUEUED_FAILED)
		a->state = ADDRESSEE_REFUSED;
	else if (u->state == QUEUED_BOUNCED)
		a->state = ADDRESSEE_BOUNCED;
	if (u->state == QUEUED_FAILED)
		job_keep_reply(&a->reply, SPAN(""), queued_text(q, u->reply));
}

/* A deferred rcpt is open again; its reply is kept in case it expires. */
static bool
job_take_rcpt(struct sched *s, struct job *job, const struct queued *q,
    const struct queued_rcpt *u)
{
	static const enum rcpt_state states[] = {
		[QUEUED_WAITING] = RCPT_OPEN,
		[QUEUED_FAILED] = RCPT_FAILED,
		[QUEUED_DELIVERED] = RCPT_DELIVERED,
		[QUEUED_BOUNCED] = RCPT_BOUNCED,
	};
	struct rcpt *r = job_add_rcpt(s, job, u->addressee, u->index,
	    (uint32_t)u->target);

	if (r == NULL)
		return false;
	r->state = (uint8_t)states[u->state];
	r->recorded = u->state != QUEUED_WAITING;
	if (queued_text(q, u->route).n <= ROUTE_MAX)
		r->route = (uint32_t)u->route;
	if (u->reply != 0 && u->state != QUEUED_DELIVERED)
		job_keep_reply(&r->reply, SPAN(""), queued_text(q, u->reply));
	return true;
}

/* R frames that are remote anyway need no smtpd-rcpt: they are targets. */
static bool
job_take_rcpts(struct sched *s, struct job *job, const struct queued *q)
{
	job->addressees = calloc(q->naddressees, sizeof(*job->addressees));
	if (job->addressees == NULL)
		return false;
	job->naddressees = (unsigned)q->naddressees;
	job->next_index = job->naddressees;
	for (size_t i = 0; i < q->naddressees; i++)
		job_take_addressee(job, q, i);
	for (size_t i = q->naddressees; i < q->n; i++)
		if (!job_take_rcpt(s, job, q, &q->rcpts[i]))
			return false;
	job->log.nrcpts = job->nrcpts;
	for (unsigned i = 0; i < job->naddressees; i++)
		if (!job->addressees[i].local && !q->rcpts[i].expanded &&
		    job_add_rcpt(s, job, i, i, (uint32_t)q->rcpts[i].target) ==
			NULL)
			return false;
	return true;
}

enum queued_result
job_load(struct sched *s, struct job *job, int fd)
{
	struct queued q;
	enum queued_result r = queued_envelope(&q, fd, job->message->id);

	if (r == QUEUED_OK)
		r = job_read_log(s, job->message, &q);
	if (r == QUEUED_OK) {
		job_take_state(job, &q);
		if (!job_take_rcpts(s, job, &q)) {
			errno = ENOMEM;
			r = QUEUED_IOERR;
		}
		job->text = q.text; /* all places are in it */
		sbuf_init(&q.text, 1);
	}
	queued_free(&q);
	return r;
}

void
job_free(struct sched *s, struct job *job)
{
	job_close_file(s, job);
	for (unsigned i = 0; i < job->nrcpts; i++)
		free(job->rcpts[i].reply);
	for (unsigned i = 0; i < job->naddressees; i++)
		free(job->addressees[i].reply);
	s->nrcpts -= job->nrcpts;
	free(job->rcpts);
	free(job->addressees);
	sbuf_free(&job->text);
	sbuf_free(&job->log.unsaved);
	if (job->message->job == job)
		job->message->job = NULL;
	free(job);
}

enum spool_result
job_open_file(struct sched *s, struct job *job)
{
	struct message *m = job->message;
	enum spool_result r = SPOOL_OPENED;

	if (job->fd == -1) {
		r = spool_open(s->queue, m, m->looks >= LOOKS_MAX, &job->fd);
		s->nopen += r == SPOOL_OPENED;
	}
	return r;
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

/* --- the log ------------------------------------------------------------------------ */

/*
 * Every log says first who the recipients are: verdicts name them by index,
 * and aliases may have changed at the next reading.
 */
void
job_log_rcpts(struct job *job)
{
	struct job_log *log = &job->log;

	if (!log->begun)
		progress_begin(&log->unsaved, job->message->id, job->nonce);
	log->begun = true;
	for (; log->nrcpts < job->nrcpts; log->nrcpts++) {
		const struct rcpt *r = &job->rcpts[log->nrcpts];

		progress_add(&log->unsaved,
		    &(struct progress_record){ .kind = PROGRESS_RCPT,
			.number = r->index,
			.other = r->addressee,
			.text = rcpt_target(r) });
	}
}

void
job_log(struct job *job, const struct progress_record *p)
{
	job_log_rcpts(job);
	progress_add(&job->log.unsaved, p);
}

void
job_log_verdict(struct sched *s, struct job *job, enum progress_kind kind,
    uint32_t number, struct span reply)
{
	job_log(job,
	    &(struct progress_record){ .kind = kind,
		.number = number,
		.other = job_tries(job),
		.time = s->wall / 1000000,
		.text = reply });
}

static bool
job_write_log(struct sched *s, struct job *job)
{
	struct job_log *log = &job->log;
	struct message *m = job->message;
	bool ok;
	int fd, saved;

	if (log->unsaved.bad) {
		errno = ENOMEM;
		return false;
	}
	if (!spool_settle(s->queue, m))
		return false;
	fd = spool_log_open(s->queue, m->id, true);
	if (fd == -1)
		return false;
	m->flags |= MESSAGE_LOGGED;
	if (log->length == 0)
		log->fresh = true;
	ok = progress_append(fd, &log->length, sbuf_span(&log->unsaved));
	saved = errno;
	(void)close(fd);
	errno = saved;
	return ok;
}

/*
 * Crash states: moved to msg/ without a log: it was tried, and is again.
 * Lines half written: cut at the next append. Back in new/ after a power
 * failure, with or without a log: the start's scan takes it for tried.
 */
bool
job_save(struct sched *s, struct job *job)
{
	if (job->log.unsaved.len == 0)
		return true;
	if (!job_write_log(s, job)) {
		warn_sys("cannot write the log of '%s'", job->message->id);
		return false;
	}
	sbuf_reset(&job->log.unsaved);
	return true;
}
