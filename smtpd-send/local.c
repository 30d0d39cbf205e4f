/* SPDX-License-Identifier: ISC */
/* Local deliveries: whose turn it is, and when a delivery has taken too long. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dial.h"
#include "log.h"
#include "sched.h"
#include "talk.h"

#define REDIAL_MS 1000
#define BACKLOG_MS 50 /* smtpd-lspawn has too many in its backlog */

void
local_init(struct local *l)
{
	*l = (struct local){ .ready_tail = &l->ready };
	sbuf_init(&l->out, 4096);
}

static bool
user_may_run(const struct sched *s, const struct dest *d)
{
	return d->head != NULL && d->running < s->conf->user_concurrency;
}

static bool
has_place(const struct sched *s)
{
	const struct local *l = &s->local;

	return !s->stopping && s->now >= l->again &&
	    l->nslots - l->nslow < s->conf->local_concurrency &&
	    l->nslots < s->conf->local_concurrency + LOCAL_SLOW_MAX;
}

/* --- whose turn it is --------------------------------------------------------- */

static void
make_ready(struct sched *s, struct dest *d)
{
	struct local *l = &s->local;

	if (d->ready || !user_may_run(s, d))
		return;
	d->ready = true;
	d->ready_next = NULL;
	*l->ready_tail = d;
	l->ready_tail = &d->ready_next;
}

static struct dest *
take_ready(struct local *l)
{
	struct dest *d = l->ready;

	l->ready = d->ready_next;
	if (l->ready == NULL)
		l->ready_tail = &l->ready;
	d->ready = false;
	return d;
}

bool
local_must_wait(struct sched *s, const struct job *job)
{
	if (!has_place(s))
		return true;
	for (unsigned i = 0; i < job->nrcpts; i++) {
		const struct dest *d = dest_find(&s->local.dests,
		    rcpt_user(&job->rcpts[i]));

		if (d == NULL || d->running < s->conf->user_concurrency)
			return false;
	}
	return true;
}

static void
submit(struct sched *s, struct rcpt *r)
{
	struct dest *d = dest_get(&s->local.dests, rcpt_user(r));

	if (d == NULL) {
		job_verdict(s, r,
		    &(struct outcome){ .verdict = VERDICT_DEFERRED,
			.stage = SPAN("send"),
			.reply = SPAN("451 4.3.0 out of memory") });
		return;
	}
	dest_push(d, r);
	make_ready(s, d);
}

const struct transport local_transport = { submit };

/* --- slots, by the time they were given their message ------------------------- */

static void
enlist(struct local *l, struct slot *slot)
{
	slot->next = NULL;
	slot->prev = l->newest;
	if (l->newest != NULL)
		l->newest->next = slot;
	else
		l->oldest = slot;
	l->newest = slot;
}

static void
unlist(struct local *l, struct slot *slot)
{
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		l->oldest = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		l->newest = slot->prev;
}

static void
set_slow(struct local *l, struct slot *slot, bool slow)
{
	if (slow && !slot->slow)
		l->nslow++;
	if (!slow && slot->slow)
		l->nslow--;
	slot->slow = slow;
}

/* It has shown that it is at work. */
static void
touch(struct sched *s, struct slot *slot)
{
	slot->since = s->now;
	set_slow(&s->local, slot, false);
	unlist(&s->local, slot);
	enlist(&s->local, slot);
}

static void
close_slot(struct sched *s, struct slot *slot)
{
	struct local *l = &s->local;
	struct dest *d = slot->dest;

	unlist(l, slot);
	set_slow(l, slot, false);
	l->nslots--;
	(void)close(slot->fd);
	free(slot);
	d->running--;
	make_ready(s, d);
	dest_drop(&l->dests, d);
}

/* lspawn cannot be reached: nobody's fault, nothing is counted. */
static void
pause_dialling(struct sched *s, int err)
{
	struct local *l = &s->local;

	l->again = s->now + (err == EAGAIN ? BACKLOG_MS : REDIAL_MS);
	if (err == EAGAIN || l->failing)
		return;
	l->failing = true;
	warn("smtpd-lspawn ('%s') cannot be reached: %s", s->conf->lspawn,
	    strerror(err));
}

static struct slot *
open_slot(struct sched *s, struct dest *d)
{
	struct local *l = &s->local;
	struct slot *slot = malloc(sizeof(*slot));

	if (slot == NULL) {
		pause_dialling(s, ENOMEM);
		return NULL;
	}
	slot->fd = dial(s->conf->lspawn, s->conf);
	if (slot->fd == -1) {
		pause_dialling(s, errno);
		free(slot);
		return NULL;
	}
	l->failing = false;
	slot->dest = d;
	slot->ngiven = 0;
	slot->served = 0;
	slot->named = slot->slow = false;
	slot->len = 0;
	enlist(l, slot);
	l->nslots++;
	d->running++;
	return slot;
}

/* On the first of those that it was given. */
static void
verdict(struct sched *s, struct slot *slot, const struct outcome *o)
{
	struct rcpt *r = slot->given[0];

	slot->ngiven--;
	memmove(slot->given, slot->given + 1,
	    slot->ngiven * sizeof(*slot->given));
	slot->served++;
	r->job->running--;
	job_verdict(s, r, o);
}

static bool
is_fresh(const struct rcpt *r)
{
	return r->job->message->attempts == 0;
}

/*
 * Those that were never tried go together. One that was tried goes alone:
 * when its process dies again, it is known whose fault that is.
 */
static bool
may_join(const struct slot *slot, const struct rcpt *r)
{
	return slot->ngiven == 0 ||
	    (slot->ngiven < LOCAL_AHEAD && is_fresh(r) &&
		is_fresh(slot->given[0]));
}

/* False: it could not be opened, and has its verdict. */
static bool
reopen(struct sched *s, struct rcpt *r)
{
	if (job_reopen(s, r->job))
		return true;
	r->job->running--;
	job_verdict(s, r,
	    &(struct outcome){ .verdict = VERDICT_DEFERRED,
		.stage = SPAN("send"),
		.reply = SPAN("451 4.3.0 cannot open the message") });
	return false;
}

/*
 * Gives the slot its user's next messages. False: now it has none, as there
 * is none, or this connection takes no more.
 */
static bool
give_next(struct sched *s, struct slot *slot)
{
	struct dest *d = slot->dest;

	while (d->head != NULL && may_join(slot, d->head)) {
		struct rcpt *r = dest_pop(d);

		r->job->running++;
		if (!reopen(s, r))
			continue;
		if (!talk_give(slot, r, &s->local.out)) {
			r->job->running--;
			dest_push_back(d, r);
			break;
		}
		slot->given[slot->ngiven++] = r;
		touch(s, slot);
	}
	return slot->ngiven > 0;
}

/* A death is held against a message only if it was alone with the process. */
static void
fail(struct sched *s, struct slot *slot, const char *why, const char *crash)
{
	struct outcome o = { .verdict = VERDICT_DEFERRED,
		.stage = SPAN("local"),
		.reply = span_str(why),
		.crash = slot->ngiven == 1 ? crash : NULL };

	while (slot->ngiven > 0)
		verdict(s, slot, &o);
	close_slot(s, slot);
}

/* A new process for a user whose turn it is; there is a place for it. */
static void
start_user(struct sched *s, struct dest *d)
{
	struct slot *slot = open_slot(s, d);

	if (slot != NULL && !give_next(s, slot)) {
		if (d->head != NULL)
			pause_dialling(s, EPIPE); /* it is going down */
		close_slot(s, slot);
	}
	make_ready(s, d); /* at the end of the line */
}

/* The slot has done a message: the user's next ones, or the end. */
static void
go_on(struct sched *s, struct slot *slot)
{
	unsigned batch = s->local.ready != NULL ? LOCAL_BATCH_SHARED :
						  LOCAL_BATCH;
	bool more = !s->stopping && slot->served + slot->ngiven < batch;

	/* More was said than the verdicts: not one to trust with the next. */
	if (slot->ngiven == 0 && slot->len > 0)
		more = false;
	touch(s, slot);
	if (more ? !give_next(s, slot) : slot->ngiven == 0)
		close_slot(s, slot);
}

/* What was heard is no verdict: the slot is done with. */
static void
hear_end(struct sched *s, struct slot *slot, enum heard_kind kind,
    const struct heard *heard)
{
	switch (kind) {
	case HEARD_NOTHING:
	case HEARD_VERDICT:
		break;
	case HEARD_DEATH:
		fail(s, slot, heard->why, heard->crash ? heard->how : NULL);
		break;
	case HEARD_END:
		fail(s, slot, "451 4.3.0 the delivery ended without a verdict",
		    NULL);
		break;
	case HEARD_NONSENSE:
		fail(s, slot, "451 4.3.0 the delivery does not make sense",
		    NULL);
		break;
	}
}

void
local_ready(struct sched *s, struct slot *slot)
{
	struct heard heard;
	enum heard_kind kind = talk_hear(slot, &heard);
	bool any = kind == HEARD_VERDICT;

	while (kind == HEARD_VERDICT) {
		verdict(s, slot, &heard.outcome);
		talk_take(slot, heard.used);
		kind = slot->ngiven > 0 && slot->len > 0 ?
		    talk_parse(slot, &heard) :
		    HEARD_NOTHING;
	}
	if (kind != HEARD_NOTHING)
		hear_end(s, slot, kind, &heard);
	else if (any)
		go_on(s, slot);
}

static void
watch_slots(struct sched *s, instant *next)
{
	uint64_t timeout = s->conf->local_timeout * 1000;
	struct slot *slot, *after;

	for (slot = s->local.oldest; slot != NULL; slot = after) {
		after = slot->next;
		if (s->now >= slot->since + timeout) {
			fail(s, slot, "451 4.3.0 the delivery took too long",
			    NULL);
			continue;
		}
		if (slot->since + timeout < *next)
			*next = slot->since + timeout;
		if (s->now < slot->since + LOCAL_SLOW_MS) {
			if (slot->since + LOCAL_SLOW_MS < *next)
				*next = slot->since + LOCAL_SLOW_MS;
			break; /* the others are younger */
		}
		set_slow(&s->local, slot, true);
	}
}

instant
local_pump(struct sched *s)
{
	struct local *l = &s->local;
	instant next = NEVER;

	watch_slots(s, &next);
	while (l->ready != NULL && has_place(s)) {
		struct dest *d = take_ready(l);

		d->kept = true;
		if (user_may_run(s, d))
			start_user(s, d);
		d->kept = false;
		dest_drop(&l->dests, d);
	}
	if (l->ready != NULL && !s->stopping && l->again > s->now &&
	    l->again < next)
		next = l->again;
	return next;
}
