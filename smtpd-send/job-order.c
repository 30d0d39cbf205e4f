/* SPDX-License-Identifier: ISC */
/* What the operator does to one message. */
#include <stdio.h>

#include "address.h"
#include "find.h"
#include "job-parts.h"
#include "log.h"
#include "order.h"
#include "spool.h"
#include "target.h"

/* "-": none is meant by name, so all are. */
static bool
is_meant(const struct sched *s, const struct order *o, const struct rcpt *r)
{
	return queue_id_valid(o->what) || target_fits(o->what, s->conf, r);
}

static bool
is_waiting(const struct rcpt *r)
{
	return r->state == RCPT_OPEN || r->state == RCPT_BUSY ||
	    r->state == RCPT_DEFERRED;
}

static void
hurry(struct sched *s, const struct rcpt *r)
{
	struct sbuf name;

	sbuf_init(&name, ROUTE_MAX);
	target_name(&name, s->conf, r);
	if (name.len > 0 && !name.bad)
		remote_hurry_one(s, sbuf_span(&name));
	sbuf_free(&name);
}

static const char *
retry(struct sched *s, struct job *job)
{
	if (job->kept)
		return "it is held: release it";
	if (job->given_up || job->discarded)
		return "it has been given up";
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (is_waiting(&job->rcpts[i]))
			hurry(s, &job->rcpts[i]);
	return NULL;
}

static const char *
release(struct job *job)
{
	if (!job->kept && job->hold != HOLD_CRASH)
		return "it is not held";
	job->kept = false;
	return NULL;
}

static const char *
hold(struct job *job)
{
	if (job->kept)
		return "it is held already";
	if (job->given_up || job->discarded || job->hold == HOLD_EXPIRED)
		return "it has been given up";
	job->kept = true;
	return NULL;
}

static const char *
give_up(struct job *job, bool *flag)
{
	if (*flag || job->discarded)
		return "it has been given up";
	*flag = true;
	job->kept = false;
	return NULL;
}

static bool
send_to(struct job *job, struct rcpt *r, struct span route)
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
	if (ok) {
		job_log_rcpts(job);
		progress_add(&job->unsaved,
		    &(struct progress_record){ .kind = PROGRESS_ROUTE,
			.number = r->index,
			.text = sbuf_span(&name) });
	}
	sbuf_free(&name);
	return ok;
}

static const char *
reroute(struct sched *s, struct job *job, const struct order *o)
{
	unsigned n = 0;

	if (job->given_up || job->discarded)
		return "it has been given up";
	for (unsigned i = 0; i < job->nrcpts; i++) {
		struct rcpt *r = &job->rcpts[i];

		if (is_waiting(r) && rcpt_user(r).n == 0 && is_meant(s, o, r))
			n += send_to(job, r, o->route);
	}
	return n > 0 ? NULL : "nobody it waits for is at another host";
}

/* What it has to be refused for, or NULL. */
static const char *
apply(struct sched *s, struct job *job, const struct order *o)
{
	switch (o->verb) {
	case VERB_RETRY:
	case VERB_RESUME:
		return retry(s, job);
	case VERB_HOLD:
		return hold(job);
	case VERB_RELEASE:
		return release(job);
	case VERB_REMOVE:
		return give_up(job, &job->discarded);
	case VERB_BOUNCE:
		return give_up(job, &job->given_up);
	case VERB_REROUTE:
		return reroute(s, job, o);
	case VERB_LIST:
	case VERB_SHOW:
	case VERB_PAUSE:
	case VERB_PAUSED:
		break;
	}
	return "this is not done to a message";
}

static bool
is_tried_now(enum verb v)
{
	return v == VERB_RETRY || v == VERB_RESUME || v == VERB_RELEASE ||
	    v == VERB_REROUTE;
}

static void
tell(const struct sched *s, const struct message *m, const struct order *o,
    bool later)
{
	uint64_t born = queue_id_time(m->id);
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
	log_num(&l, "age_ms", s->wall > born ? (s->wall - born) / 1000 : 0);
	log_str(&l, "by", o->who);
	log_num(&l, "uid", o->uid);
	if (later)
		log_str(&l, "when", "after-this-try");
	log_end(&l);
}

static void
record(struct sched *s, struct job *job, const struct order *o)
{
	char text[sizeof("release ") + ORDER_WHO_MAX];
	int n = snprintf(text, sizeof(text), "%s %s", verb_names[o->verb],
	    o->who);

	job_keep_order(job, span_of(text, (size_t)n));
	job_log_rcpts(job);
	progress_add(&job->unsaved,
	    &(struct progress_record){ .kind = PROGRESS_ORDER,
		.time = s->wall / 1000000,
		.text = span_of(text, (size_t)n) });
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", job->message->id);
	else
		sync_ask(s, job);
}

/* smtpd-rcpt is asked who the recipients are: nothing can be recorded yet. */
static bool
is_asking(const struct job *job)
{
	return job->busy == 0 && !job->starting && !job->settling &&
	    job->report == REPORT_NONE;
}

/* It was waiting, and goes on: to its end, or to wait anew. */
static void
go_on(struct sched *s, struct job *job, const struct order *o)
{
	struct message *m = job->message;

	heap_remove(&s->heap, m);
	m->flags &= (uint8_t)~MESSAGE_HELD;
	if (is_tried_now(o->verb))
		m->flags |= MESSAGE_FORCED;
	job->report_only = true;
	job->unreported = false;
	job_settle(s, job);
}

/* A damaged one, of which nothing is known, can be removed all the same. */
static enum order_result
remove_damaged(struct sched *s, struct message *m, const struct order *o,
    const char **why)
{
	tell(s, m, o, false);
	if (!spool_remove(s->queue, m)) {
		*why = "it cannot be removed";
		return ORDER_FAILED;
	}
	spool_log_remove(s->queue, m->id);
	job_event_removed(s, m);
	job_forget(s, m);
	return ORDER_DONE;
}

static enum order_result
order_active(struct sched *s, struct job *job, const struct order *o,
    const char **why)
{
	if (is_asking(job)) {
		*why = "smtpd-rcpt is asked about it: try again soon";
		return ORDER_FAILED;
	}
	*why = apply(s, job, o);
	if (*why != NULL)
		return ORDER_REFUSED;
	tell(s, job->message, o, true);
	if (is_tried_now(o->verb))
		job->message->flags |= MESSAGE_FORCED;
	if (o->verb != VERB_RETRY && o->verb != VERB_RESUME)
		record(s, job, o);
	return ORDER_LATER;
}

enum order_result
job_order(struct sched *s, struct message *m, const struct order *o,
    const char **why)
{
	bool known = m->job != NULL;
	struct job *job;

	if (message_is_active(m))
		return order_active(s, m->job, o, why);
	job = job_fetch(s, m, why);
	if (job == NULL && o->verb == VERB_REMOVE &&
	    (m->flags & MESSAGE_HELD) != 0)
		return remove_damaged(s, m, o, why);
	if (job == NULL)
		return ORDER_FAILED;
	*why = apply(s, job, o);
	if (*why == NULL)
		tell(s, m, o, false);
	if (*why == NULL && o->verb != VERB_RETRY && o->verb != VERB_RESUME) {
		record(s, job, o);
		go_on(s, job, o);
		return ORDER_DONE;
	}
	if (known)
		job_close_file(s, job);
	else
		job_free(s, job);
	if (*why != NULL)
		return ORDER_REFUSED;
	find_make_due(s, m);
	return ORDER_DONE;
}
