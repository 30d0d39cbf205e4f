/* SPDX-License-Identifier: ISC */
/* Deliveries of one kind: which one is next, and which took too long. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "scheduler.h"

#define REDIAL_MS 1000
#define BACKLOG_MS 50 /* the helper has too many in its backlog */

/* --- destinations, and their lines of parcels -------------------------------------- */

static uint32_t
dest_hash(struct span name)
{
	return crc32c(0, name.p, name.n);
}

static size_t
dest_bucket(struct span name)
{
	return dest_hash(name) % DEST_BUCKETS;
}

struct dest *
dest_find(const struct dests *t, struct span name)
{
	struct dest *d;

	for (d = t->bucket[dest_bucket(name)]; d != NULL; d = d->chain)
		if (span_eq(span_str(d->name), name))
			break;
	return d;
}

struct dest *
dest_get(struct dests *t, struct span name)
{
	struct dest **b = &t->bucket[dest_bucket(name)];
	struct dest *d = dest_find(t, name);

	if (d != NULL)
		return d;
	d = calloc(1, sizeof(*d) + name.n + 1);
	if (d == NULL)
		return NULL;
	memcpy(d->name, name.p, name.n);
	d->hash = dest_hash(name);
	if (d->hash == 0)
		d->hash = 1;
	d->chain = *b;
	*b = d;
	return d;
}

static bool
dest_is_used(const struct dest *d)
{
	return d->waiting > 0 || d->running > 0 || d->ready[LINE_NEW] ||
	    d->ready[LINE_OLD] || d->kept;
}

static void
dest_unchain(struct dest **p)
{
	struct dest *d = *p;

	*p = d->chain;
	free(d->why);
	free(d);
}

/* Frees it, unless it is still of use; one that is dead is. */
static void
dest_drop(struct dests *t, struct dest *d)
{
	struct dest **p = &t->bucket[dest_bucket(span_str(d->name))];

	if (dest_is_used(d) || pace_is_dead(&d->pace))
		return;
	while (*p != d)
		p = &(*p)->chain;
	dest_unchain(p);
}

void
dest_sweep(struct dests *t, instant before)
{
	for (size_t i = 0; i < DEST_BUCKETS; i++)
		for (struct dest **p = &t->bucket[i]; *p != NULL;) {
			struct dest *d = *p;

			if (dest_is_used(d) || d->pace.again >= before)
				p = &d->chain;
			else
				dest_unchain(p);
		}
}

/* To the end of a line, as a parcel of its own. */
static void
dest_push(struct dest *d, enum line line, struct rcpt *r)
{
	r->next = r->also = NULL;
	if (d->head[line] == NULL)
		d->head[line] = r;
	else
		d->tail[line]->next = r;
	d->tail[line] = d->last = r;
	d->joined = 1;
	d->waiting++;
}

/*
 * Into the last parcel of that line, when it is of the same message and holds
 * fewer than max. False: it does not fit.
 */
static bool
dest_join(struct dest *d, enum line line, struct rcpt *r, unsigned max)
{
	if (d->head[line] == NULL || d->tail[line]->job != r->job ||
	    d->joined >= max)
		return false;
	r->next = r->also = NULL;
	d->last->also = r;
	d->last = r;
	d->joined++;
	return true;
}

bool
dest_has(const struct dest *d, const struct job *job)
{
	for (unsigned i = 0; i < LINES; i++)
		if (d->head[i] != NULL && d->tail[i]->job == job)
			return true;
	return false;
}

static enum line
dest_turn(const struct dest *d)
{
	if (d->head[LINE_NEW] == NULL)
		return LINE_OLD;
	if (d->head[LINE_OLD] == NULL)
		return LINE_NEW;
	return d->turn % LINE_TURNS == LINE_TURNS - 1 ? LINE_OLD : LINE_NEW;
}

static struct rcpt *
dest_next(const struct dest *d)
{
	return d->head[dest_turn(d)];
}

struct rcpt *
dest_pop(struct dest *d)
{
	enum line line = dest_turn(d);
	struct rcpt *r = d->head[line];

	d->head[line] = r->next;
	d->waiting--;
	d->turn++;
	return r;
}

/* Back to the front. */
static void
dest_push_back(struct dest *d, enum line line, struct rcpt *r)
{
	r->next = d->head[line];
	if (d->head[line] == NULL)
		d->tail[line] = r;
	d->head[line] = r;
	d->waiting++;
	d->turn--;
}

/* --- places -------------------------------------------------------------------------- */

void
transport_init(struct transport *t, const struct transport_kind *kind,
    const char *helper, unsigned places, uint64_t timeout_ms)
{
	*t = (struct transport){ .kind = kind,
		.helper = helper,
		.places = places,
		.timeout_ms = timeout_ms };
	for (unsigned i = 0; i < LINES; i++)
		t->ready_tail[i] = &t->ready[i];
	/* A parcel of long addresses. */
	sbuf_init(&t->out, 4096 + kind->parcel * 640);
}

static bool
transport_has_place(const struct sched *s, const struct transport *t,
    enum line line)
{
	return !s->stopping && s->now >= t->again &&
	    t->nslots - t->nslow < transport_places(t, line) &&
	    t->nslots < t->places + t->kind->slow_max;
}

bool
transport_is_full(const struct sched *s, const struct transport *t,
    const struct dest *d)
{
	if (!transport_has_place(s, t, LINE_OLD))
		return true;
	return d != NULL && d->running >= t->kind->limit(s, d);
}

/* --- which one is next --------------------------------------------------------- */

static bool
dest_may_start(const struct sched *s, const struct transport *t,
    const struct dest *d)
{
	return d->idle != NULL || d->running < t->kind->limit(s, d);
}

void
transport_wake(struct sched *s, struct transport *t, struct dest *d)
{
	for (unsigned i = 0; i < LINES; i++) {
		if (d->ready[i] || d->head[i] == NULL ||
		    !dest_may_start(s, t, d))
			continue;
		d->ready[i] = true;
		d->ready_next[i] = NULL;
		*t->ready_tail[i] = d;
		t->ready_tail[i] = &d->ready_next[i];
	}
}

static struct dest *
transport_take_ready(struct transport *t, enum line line)
{
	struct dest *d = t->ready[line];

	t->ready[line] = d->ready_next[line];
	if (t->ready[line] == NULL)
		t->ready_tail[line] = &t->ready[line];
	d->ready[line] = false;
	return d;
}

/* A message that was neither tried before, nor may have been. */
static enum line
rcpt_line(const struct rcpt *r)
{
	return job_attempt(r->job) == 0 ? LINE_NEW : LINE_OLD;
}

void
transport_submit(struct sched *s, struct transport *t, struct dest *d,
    struct rcpt *r)
{
	enum line line = rcpt_line(r);

	if (dest_join(d, line, r, t->kind->parcel))
		return;
	dest_push(d, line, r);
	transport_wake(s, t, d);
}

/* --- slots: opened, listed by time, closed ------------------------------------ */

static void
slot_enlist(struct transport *t, struct slot *slot)
{
	slot->next = NULL;
	slot->prev = t->newest;
	if (t->newest != NULL)
		t->newest->next = slot;
	else
		t->oldest = slot;
	t->newest = slot;
}

static void
slot_unlist(struct transport *t, struct slot *slot)
{
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		t->oldest = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		t->newest = slot->prev;
}

static void
slot_set_slow(struct slot *slot, bool slow)
{
	struct transport *t = slot->transport;

	if (slow && !slot->slow)
		t->nslow++;
	if (!slow && slot->slow)
		t->nslow--;
	slot->slow = slow;
}

static void
slot_set_idle(struct slot *slot, bool idle)
{
	struct slot **p = &slot->dest->idle;

	if (idle == slot->idle)
		return;
	slot->idle = idle;
	if (idle) {
		slot->idle_next = *p;
		*p = slot;
		return;
	}
	while (*p != slot)
		p = &(*p)->idle_next;
	*p = slot->idle_next;
}

/* It has shown that it is at work. */
static void
slot_touch(struct sched *s, struct slot *slot)
{
	slot->since = s->now;
	slot_set_slow(slot, false);
	slot_unlist(slot->transport, slot);
	slot_enlist(slot->transport, slot);
}

static void
slot_close(struct sched *s, struct slot *slot)
{
	struct transport *t = slot->transport;
	struct dest *d = slot->dest;

	slot_set_idle(slot, false);
	slot_set_slow(slot, false);
	slot_unlist(t, slot);
	t->nslots--;
	chan_close(&slot->chan);
	free(slot);
	d->running--;
	transport_wake(s, t, d);
	dest_drop(&t->dests, d);
}

/* Not the fault of any message: waits before the helper is dialled again. */
static void
slot_pause(struct sched *s, struct transport *t, int err)
{
	t->again = s->now + (err == EAGAIN ? BACKLOG_MS : REDIAL_MS);
	if (err == EAGAIN || t->failing)
		return;
	t->failing = true;
	warn("%s ('%s') cannot be reached: %s", t->kind->program, t->helper,
	    strerror(err));
}

/* NULL: its helper cannot be reached, and is not dialled for a while. */
static struct slot *
slot_open(struct sched *s, struct transport *t, struct dest *d)
{
	struct slot *slot = malloc(sizeof(*slot));
	int fd;

	if (slot == NULL) {
		slot_pause(s, t, ENOMEM);
		return NULL;
	}
	fd = sched_dial(t->helper, s->conf);
	if (fd == -1) {
		slot_pause(s, t, errno);
		free(slot);
		return NULL;
	}
	t->failing = false;
	chan_init_small(&slot->chan, fd, slot->in, sizeof(slot->in));
	slot->transport = t;
	slot->dest = d;
	slot->ngiven = 0;
	slot->served = 0;
	slot->named = slot->slow = slot->idle = false;
	slot->tls_len = 0;
	slot->since = s->now;
	slot_enlist(t, slot);
	t->nslots++;
	d->running++;
	return slot;
}

/* --- verdicts ----------------------------------------------------------------- */

/* Takes the rcpt out of the slot's first parcel, and that off when empty. */
static void
slot_take_out(struct slot *slot, struct rcpt *r)
{
	struct rcpt **p = &slot->given[0];

	while (*p != r)
		p = &(*p)->also;
	*p = r->also;
	if (slot->given[0] != NULL)
		return;
	slot->tls_len = 0;
	slot->ngiven--;
	memmove(slot->given, slot->given + 1,
	    slot->ngiven * sizeof(struct rcpt *));
	slot->served++;
	r->job->running--;
}

static void
slot_verdict(struct sched *s, struct slot *slot, struct rcpt *r,
    const struct outcome *o)
{
	slot_take_out(slot, r);
	attempt_verdict(s, r, o);
}

/* A parcel that no process has: all of it is deferred. */
static void
parcel_defer(struct sched *s, struct rcpt *r, const char *why)
{
	const struct outcome o = { .verdict = VERDICT_DEFERRED,
		.stage = SPAN("send"),
		.reply = span_str(why) };
	struct rcpt *also;

	for (; r != NULL; r = also) {
		also = r->also;
		attempt_verdict(s, r, &o);
	}
}

/*
 * A death is held against a message only if it was alone with the process,
 * and once, however many of its recipients there are.
 */
static void
slot_fail(struct sched *s, struct slot *slot, const char *why,
    const char *crash)
{
	struct outcome o = { .verdict = VERDICT_DEFERRED,
		.stage = span_str(slot->transport->kind->stage),
		.reply = span_str(why),
		.crash = slot->ngiven == 1 ? crash : NULL };

	while (slot->ngiven > 0) {
		slot_verdict(s, slot, slot->given[0], &o);
		o.crash = NULL;
	}
	slot_close(s, slot);
}

/* --- giving ------------------------------------------------------------------- */

static bool
rcpt_is_fresh(const struct rcpt *r)
{
	return r->job->message->attempts == 0;
}

/*
 * Those that were never tried go together. One that was tried goes alone:
 * when its process dies again, no other message can be the cause.
 */
static bool
slot_may_take(const struct slot *slot, const struct rcpt *r)
{
	return slot->ngiven == 0 ||
	    (slot->ngiven < slot->transport->kind->ahead && rcpt_is_fresh(r) &&
		rcpt_is_fresh(slot->given[0]));
}

/* Those of a parcel that may still be tried; the others wait on disk. */
static struct rcpt *
parcel_weed(struct sched *s, struct rcpt *r)
{
	struct rcpt *kept = NULL, **end = &kept, *also;
	uint32_t pause;

	for (; r != NULL; r = also) {
		also = r->also;
		pause = paused_for(s, r);
		if (pause != 0 || r->job->will != WILL_DELIVER) {
			attempt_untried(s, r, s->now + PAUSED_MS, pause);
		} else {
			*end = r;
			end = &r->also;
		}
	}
	*end = NULL;
	return kept;
}

/*
 * Gives the slot its destination's next parcels. False: it has none now, because
 * there is none or this connection takes no more.
 */
static bool
slot_give_next(struct sched *s, struct slot *slot)
{
	struct transport *t = slot->transport;
	struct dest *d = slot->dest;
	struct rcpt *r;

	while ((r = dest_next(d)) != NULL && slot_may_take(slot, r)) {
		(void)dest_pop(d);
		t->kind->moved(s, d);
		r = parcel_weed(s, r);
		if (r == NULL)
			continue;
		r->job->running++;
		if (job_open_file(s, r->job) != SPOOL_OPENED) {
			r->job->running--;
			parcel_defer(s, r, "451 4.3.0 cannot open the message");
			continue;
		}
		if (!talk_give(slot, r, &t->out)) {
			r->job->running--;
			dest_push_back(d, rcpt_line(r), r);
			break;
		}
		slot->given[slot->ngiven++] = r;
		slot_touch(s, slot);
	}
	return slot->ngiven > 0;
}

/* The destination's turn: an idle slot, or a new one in a free place. */
static void
dest_start(struct sched *s, struct transport *t, struct dest *d)
{
	struct slot *slot = d->idle;

	if (slot != NULL)
		slot_set_idle(slot, false);
	else
		slot = slot_open(s, t, d);
	if (slot != NULL && !slot_give_next(s, slot)) {
		/* It is going down; a kept one may, any time. */
		if (d->waiting > 0 && slot->served == 0)
			slot_pause(s, t, EPIPE);
		slot_close(s, slot);
	}
	transport_wake(s, t, d); /* at the end of the line */
}

/* The slot has done a message: the next ones of its line, or the end. */
static void
slot_go_on(struct sched *s, struct slot *slot)
{
	struct transport *t = slot->transport;
	struct dest *d = slot->dest;
	bool others = t->ready[LINE_NEW] != NULL || t->ready[LINE_OLD] != NULL;
	unsigned batch = others ? SLOT_BATCH_SHARED : SLOT_BATCH;
	bool more = !s->stopping && slot->served + slot->ngiven < batch &&
	    d->running <= t->kind->limit(s, d);

	/* More was said than the verdicts: not one to trust with the next. */
	if (slot->ngiven == 0 && chan_pending(&slot->chan))
		more = false;
	slot_touch(s, slot);
	if ((more && slot_give_next(s, slot)) || slot->ngiven > 0)
		transport_wake(s, t, d); /* it may have more slots now */
	else if (more && t->kind->idle_ms > 0 && d->waiting == 0)
		slot_set_idle(slot, true);
	else
		slot_close(s, slot);
}

/* The slot has ended, or makes no sense. */
static void
slot_hear_end(struct sched *s, struct slot *slot, enum heard_kind kind,
    const struct heard *heard)
{
	switch (kind) {
	case HEARD_NOTHING:
	case HEARD_VERDICT:
		break;
	case HEARD_DEATH:
		slot_fail(s, slot, heard->why,
		    heard->crash ? heard->how : NULL);
		break;
	case HEARD_END:
		slot_fail(s, slot,
		    "451 4.3.0 the delivery ended without a verdict", NULL);
		break;
	case HEARD_NONSENSE:
		slot_fail(s, slot, "451 4.3.0 malformed answer of the delivery",
		    NULL);
		break;
	}
}

void
transport_ready(struct sched *s, void *arg)
{
	struct slot *slot = arg;
	const struct transport_kind *kind = slot->transport->kind;
	struct heard heard;
	enum heard_kind what = talk_hear(slot, &heard);
	bool any = what == HEARD_VERDICT;

	slot->dest->kept = true; /* until go_on is through with it */
	while (what == HEARD_VERDICT) {
		kind->heard(s, slot->dest, &heard.outcome);
		slot_verdict(s, slot, heard.rcpt, &heard.outcome);
		what = slot->ngiven > 0 && chan_pending(&slot->chan) ?
		    talk_parse(slot, &heard) :
		    HEARD_NOTHING;
	}
	slot->dest->kept = false;
	if (what != HEARD_NOTHING)
		slot_hear_end(s, slot, what, &heard);
	else if (any)
		slot_go_on(s, slot);
}

/* --- time --------------------------------------------------------------------- */

/* When a slot has to be looked at, or NEVER when it is gone. */
static instant
slot_watch(struct sched *s, struct slot *slot)
{
	const struct transport *t = slot->transport;
	instant late = slot->since + t->timeout_ms;
	instant slow = slot->since + t->kind->slow_ms;

	if (slot->idle) {
		late = slot->since + t->kind->idle_ms;
		if (s->now >= late || s->stopping)
			slot_close(s, slot);
		else
			return late;
		return NEVER;
	}
	if (s->now >= late) {
		slot_fail(s, slot, "451 4.3.0 the delivery took too long",
		    NULL);
		return NEVER;
	}
	if (t->kind->slow_ms == 0 || slot->slow)
		return late;
	if (s->now < slow)
		return sooner(slow, late);
	slot_set_slow(slot, true);
	return late;
}

static instant
transport_watch(struct sched *s, struct transport *t)
{
	instant next = NEVER;
	struct slot *slot, *after;

	for (slot = t->oldest; slot != NULL; slot = after) {
		after = slot->next;
		next = sooner(next, slot_watch(s, slot));
	}
	return next;
}

/* An idle slot gives way to a destination that has mail. */
static void
transport_make_room(struct sched *s, struct transport *t)
{
	struct slot *slot = t->oldest;

	if (t->nslots - t->nslow < t->places)
		return;
	while (slot != NULL && !slot->idle)
		slot = slot->next;
	if (slot != NULL)
		slot_close(s, slot);
}

/* From the line whose turn it is, or else from the other one. */
static bool
transport_start_one(struct sched *s, struct transport *t)
{
	enum line line = t->turn % LINE_TURNS == LINE_TURNS - 1 ? LINE_OLD :
								  LINE_NEW;
	struct dest *d;

	for (unsigned i = 0; i < LINES; i++, line = !line) {
		if (t->ready[line] == NULL)
			continue;
		if (t->ready[line]->idle == NULL)
			transport_make_room(s, t);
		if (t->ready[line]->idle == NULL &&
		    !transport_has_place(s, t, line))
			continue;
		d = transport_take_ready(t, line);
		d->kept = true;
		if (d->waiting > 0 && dest_may_start(s, t, d))
			dest_start(s, t, d);
		d->kept = false;
		dest_drop(&t->dests, d);
		t->turn++;
		return true;
	}
	return false;
}

instant
transport_pump(struct sched *s, struct transport *t)
{
	instant next = transport_watch(s, t);

	while (!s->stopping && transport_start_one(s, t))
		;
	if ((t->ready[LINE_NEW] != NULL || t->ready[LINE_OLD] != NULL) &&
	    !s->stopping && t->again > s->now)
		next = sooner(next, t->again);
	return next;
}
