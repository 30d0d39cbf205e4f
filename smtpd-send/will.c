/* SPDX-License-Identifier: ISC */
/* The operator's will: an order for one message is carried out. */
#include <stdio.h>

#include "address.h"
#include "log.h"
#include "route.h"
#include "scheduler.h"

/* An order for the message is for all of its recipients. */
static bool
will_is_meant(const struct sched *s, const struct order *o,
    const struct rcpt *r)
{
	return queue_id_valid(o->what) || where_fits(o->what, s->conf, r);
}

static bool
will_is_waiting(const struct rcpt *r)
{
	return r->state == RCPT_OPEN || r->state == RCPT_BUSY ||
	    r->state == RCPT_DEFERRED;
}

#define GIVEN_UP "it is already given up"

static void
will_hurry(struct sched *s, const struct rcpt *r)
{
	struct sbuf name;

	sbuf_init(&name, ROUTE_MAX);
	where_dest(&name, s->conf, r);
	if (name.len > 0 && !name.bad)
		dispatch_hurry(s, sbuf_span(&name));
	sbuf_free(&name);
}

static const char *
will_retry(struct sched *s, struct job *job)
{
	switch (job->will) {
	case WILL_DELIVER:
		break;
	case WILL_HOLD:
		return "it is held: release it first";
	case WILL_BOUNCE:
	case WILL_REMOVE:
		return GIVEN_UP;
	}
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (will_is_waiting(&job->rcpts[i]))
			will_hurry(s, &job->rcpts[i]);
	return NULL;
}

static const char *
will_release(struct job *job)
{
	if (job->will != WILL_HOLD && job->hold != HOLD_CRASH)
		return "it is not held";
	if (job->will == WILL_HOLD)
		job->will = WILL_DELIVER;
	return NULL;
}

static const char *
will_hold(struct job *job)
{
	if (job->will == WILL_HOLD)
		return "it is held already";
	if (job->will != WILL_DELIVER || job->hold == HOLD_EXPIRED)
		return GIVEN_UP;
	job->will = WILL_HOLD;
	return NULL;
}

/* A message that will bounce can still be removed, not the other way round. */
static const char *
will_give_up(struct job *job, enum will will)
{
	if (job->will >= will)
		return GIVEN_UP;
	job->will = will;
	return NULL;
}

static bool
will_send_to(struct job *job, struct rcpt *r, struct span route)
{
	struct span path = rcpt_address(r);
	struct address address;
	struct sbuf name;
	bool ok;

	if (address_path(&path, ADDRESS_FORWARD, &address) != ADDRESS_OK)
		return false;
	sbuf_init(&name, ROUTE_MAX);
	route_to(&name, route, address.domain);
	ok = !name.bad && job_keep_route(r, sbuf_span(&name));
	if (ok)
		job_log(job,
		    &(struct progress_record){ .kind = PROGRESS_ROUTE,
			.number = r->index,
			.text = sbuf_span(&name) });
	sbuf_free(&name);
	return ok;
}

static const char *
will_reroute(struct sched *s, struct job *job, const struct order *o)
{
	unsigned n = 0;

	if (job->will >= WILL_BOUNCE)
		return GIVEN_UP;
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct rcpt *r = &job->rcpts[i];

		if (will_is_waiting(r) && rcpt_user(r).n == 0 &&
		    will_is_meant(s, o, r))
			n += will_send_to(job, r, o->route);
	}
	return n > 0 ? NULL : "no waiting recipient is at another host";
}

/* Why it is refused, or NULL. */
static const char *
will_change(struct sched *s, struct job *job, const struct order *o)
{
	switch (o->verb) {
	case VERB_RETRY:
	case VERB_RESUME:
		return will_retry(s, job);
	case VERB_HOLD:
		return will_hold(job);
	case VERB_RELEASE:
		return will_release(job);
	case VERB_REMOVE:
		return will_give_up(job, WILL_REMOVE);
	case VERB_BOUNCE:
		return will_give_up(job, WILL_BOUNCE);
	case VERB_REROUTE:
		return will_reroute(s, job, o);
	case VERB_LIST:
	case VERB_SHOW:
	case VERB_PAUSE:
		break;
	}
	return "this order is not for a message";
}

static bool
will_try_now(enum verb v)
{
	return v == VERB_RETRY || v == VERB_RESUME || v == VERB_RELEASE ||
	    v == VERB_REROUTE;
}

static void
will_tell(const struct sched *s, const struct message *m, const struct order *o,
    bool later)
{
	struct logline l;

	/* Of many at once order.c says how many they are. */
	if ((o->verb == VERB_RETRY || o->verb == VERB_RESUME) &&
	    !queue_id_valid(o->what))
		return;
	log_begin(&l, m->id, "order");
	log_str(&l, "do", verb_names[o->verb]);
	if (!queue_id_valid(o->what))
		log_span(&l, "dest", o->what);
	if (o->route.n > 0)
		log_span(&l, "route", o->route);
	log_num(&l, "age_ms", event_age(s, m));
	log_str(&l, "by", o->who);
	log_num(&l, "uid", o->uid);
	if (later)
		log_str(&l, "when", "after-this-try");
	log_end(&l);
}

static void
will_record(struct sched *s, struct job *job, const struct order *o)
{
	char text[sizeof("release ") + ORDER_WHO_MAX];
	int n = snprintf(text, sizeof(text), "%s %s", verb_names[o->verb],
	    o->who);

	job_keep_order(job, span_of(text, (size_t)n));
	job_log(job,
	    &(struct progress_record){ .kind = PROGRESS_ORDER,
		.time = s->wall / 1000000,
		.text = span_of(text, (size_t)n) });
	if (job_save(s, job))
		sync_ask(s, job);
}

/* It needs no record: after a crash everything is tried anyway. */
static bool
will_is_recorded(enum verb v)
{
	return v != VERB_RETRY && v != VERB_RESUME;
}

static enum order_result
will_order_active(struct sched *s, struct job *job, const struct order *o,
    const char **why)
{
	struct message *m = job->message;

	/* The recipients are not known: nothing can be recorded yet. */
	if (m->step == STEP_ASKING) {
		*why = "its recipients are being looked up: try again soon";
		return ORDER_FAILED;
	}
	*why = will_change(s, job, o);
	if (*why != NULL)
		return ORDER_REFUSED;
	will_tell(s, m, o, true);
	if (will_try_now(o->verb))
		m->due_for = DUE_NOW;
	if (will_is_recorded(o->verb))
		will_record(s, job, o);
	return ORDER_LATER;
}

/* It was waiting, and goes on: to its end, or to wait anew. */
static enum order_result
will_order_resting(struct sched *s, struct job *job, const struct order *o,
    const char **why)
{
	struct message *m = job->message;

	*why = will_change(s, job, o);
	if (*why != NULL) {
		life_put_back(s, job);
		return ORDER_REFUSED;
	}
	will_tell(s, m, o, false);
	if (will_is_recorded(o->verb)) {
		will_record(s, job, o);
		if (will_try_now(o->verb))
			m->due_for = DUE_NOW;
		life_event(s, m, LIFE_ORDERED);
	} else {
		life_put_back(s, job);
		life_make_due(s, m);
	}
	return ORDER_DONE;
}

/* One of which nothing is known can be removed all the same. */
static enum order_result
will_order_damaged(struct sched *s, struct message *m, const struct order *o,
    const char **why)
{
	will_tell(s, m, o, false);
	if (life_remove_damaged(s, m))
		return ORDER_DONE;
	*why = "it cannot be removed";
	return ORDER_FAILED;
}

enum order_result
will_order(struct sched *s, struct message *m, const struct order *o,
    const char **why)
{
	struct job *job;

	if (message_is_active(m))
		return will_order_active(s, m->job, o, why);
	job = life_fetch(s, m, why);
	if (job != NULL)
		return will_order_resting(s, job, o, why);
	if (o->verb == VERB_REMOVE && m->step == STEP_HELD)
		return will_order_damaged(s, m, o, why);
	return ORDER_FAILED;
}
