/* SPDX-License-Identifier: ISC */
/* Deliveries: to users here through smtpd-lspawn, elsewhere by smtpd-remote. */
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "log.h"
#include "route.h"
#include "scheduler.h"

#define PARCEL 100        /* recipients a transaction: RFC 5321 4.5.3.1.8 */
#define LINE_MAX_WAIT 500 /* parcels in a line; more messages wait on disk */
#define LINE_LOW 100      /* in the line, when those are called */
#define LOOK_MS 120000    /* one look at a dead destination takes no longer */
#define FULL_MS 60000     /* a full line calls, or this is over */
#define SWEEP_MS 600000
#define FORGET_MS 3600000 /* dead, and without mail for so long */
#define OVERTIME_MS 60000 /* it ends by itself after remote_timeout */

/* --- local: a destination is a user ---------------------------------------------- */

static unsigned
local_limit(const struct sched *s, const struct dest *d)
{
	(void)d;
	return (unsigned)s->conf->user_concurrency;
}

/* The result of one message says nothing about the user's next one. */
static void
local_heard(struct sched *s, struct dest *d, const struct outcome *o)
{
	(void)s, (void)d, (void)o;
}

static void
local_moved(struct sched *s, struct dest *d)
{
	(void)s, (void)d;
}

static const struct transport_kind local_kind = {
	.program = "smtpd-lspawn",
	.stage = "local",
	.parcel = 1,
	.ahead = SLOT_AHEAD,
	.slow_ms = 5000,
	.slow_max = 32,
	.limit = local_limit,
	.heard = local_heard,
	.moved = local_moved,
};

/* --- remote: a destination is a domain, or where its mail is routed ------------- */

static unsigned
remote_limit(const struct sched *s, const struct dest *d)
{
	return pace_limit(&d->pace, s->now,
	    (unsigned)s->conf->destination_concurrency);
}

/* Messages that wait on disk for the destination: at most max are due now. */
static void
remote_call_parked(struct sched *s, struct dest *d, unsigned max)
{
	struct message *m;

	if (d->parked == 0)
		return;
	d->parked = 0;
	for (m = table_first(&s->table); m != NULL;
	     m = table_after(&s->table, m)) {
		if (m->parked_at != d->hash || m->place == 0)
			continue;
		if (max == 0) {
			d->parked++;
			continue;
		}
		m->parked_at = 0;
		heap_put(&s->heap, m, s->now);
		max--;
	}
}

/* The rcpt, and those that go with it, wait for the destination on disk. */
static void
remote_park(struct sched *s, struct dest *d, struct rcpt *r)
{
	instant wake = s->now + FULL_MS;
	struct rcpt *also;

	if (pace_is_dead(&d->pace)) {
		wake = d->pace.again;
		/* One comes to look; the others wait until it has. */
		if (d->watched || wake <= s->now)
			wake = (wake > s->now ? wake : s->now) + LOOK_MS;
		d->watched = true;
	}
	d->parked++;
	for (; r != NULL; r = also) {
		also = r->also;
		attempt_untried(s, r, wake, d->hash);
	}
}

/* --- a verdict may tell of the destination ------------------------------------ */

/* Did it fail before the message mattered? */
static bool
outcome_is_unreachable(const struct outcome *o)
{
	static const char *const stages[] = { "dns", "connect", "greeting",
		"ehlo", "helo", "tls", "auth", "config" };

	if (o->verdict != VERDICT_DEFERRED)
		return false;
	for (size_t i = 0; i < nitems(stages); i++)
		if (span_eq(o->stage, span_str(stages[i])))
			return true;
	return false;
}

static void
remote_tell(const struct dest *d, const char *event, const struct sched *s)
{
	struct logline l;

	log_begin(&l, NULL, event);
	log_str(&l, "dest", d->name);
	if (pace_is_dead(&d->pace)) {
		log_num(&l, "looks", d->pace.failures);
		log_num(&l, "next", (d->pace.again - s->now) / 1000);
		log_str(&l, "reply", d->why != NULL ? d->why : "");
	}
	log_end(&l);
}

static void
remote_die_down(struct sched *s, struct dest *d, const struct outcome *o)
{
	job_keep_reply(&d->why, o->host, o->reply);
	d->watched = false;
	if (d->pace.failures == 1)
		remote_tell(d, "unreachable", s);
	while (d->waiting > 0)
		remote_park(s, d, dest_pop(d));
}

static void
remote_heard(struct sched *s, struct dest *d, const struct outcome *o)
{
	if (outcome_is_unreachable(o)) {
		if (pace_bad(&d->pace, s->now, d->hash ^ (uint32_t)s->now))
			remote_die_down(s, d, o);
		return;
	}
	if (!pace_good(&d->pace, (unsigned)s->conf->destination_concurrency))
		return;
	remote_tell(d, "reachable", s);
	remote_call_parked(s, d, LINE_MAX_WAIT);
}

static void
remote_moved(struct sched *s, struct dest *d)
{
	if (d->waiting < LINE_LOW && !pace_is_dead(&d->pace))
		remote_call_parked(s, d, LINE_MAX_WAIT);
}

static const struct transport_kind remote_kind = {
	.program = "smtpd-remote",
	.stage = "remote",
	.parcel = PARCEL,
	.ahead = 1,
	.idle_ms = 1000,
	.limit = remote_limit,
	.heard = remote_heard,
	.moved = remote_moved,
};

/* --- a recipient comes in ------------------------------------------------------ */

static void
dispatch_refuse(struct sched *s, struct rcpt *r, enum verdict verdict,
    const char *reply)
{
	attempt_verdict(s, r,
	    &(struct outcome){ .verdict = verdict,
		.stage = SPAN("send"),
		.reply = span_str(reply) });
}

/*
 * At the end of its life a message is not parked: that it cannot be reached
 * was found out for it by others, and counts as its own try.
 */
static void
remote_share_failure(struct sched *s, struct dest *d, struct rcpt *r)
{
	attempt_verdict(s, r,
	    &(struct outcome){ .verdict = VERDICT_DEFERRED,
		.stage = SPAN("connect"),
		.host = job_reply_host(d->why),
		.reply = d->why != NULL ?
		    job_reply_text(d->why) :
		    SPAN("451 4.4.1 The destination cannot be reached") });
}

static void
remote_enter(struct sched *s, struct dest *d, struct rcpt *r)
{
	bool dead = pace_is_dead(&d->pace);
	/* It is being looked at: by one, or by many parts of one message. */
	bool looked_at = d->running > 0 || d->waiting > 0;

	if (dead && job_is_old(s, r->job) &&
	    (s->now < d->pace.again || looked_at))
		remote_share_failure(s, d, r);
	else if (dead &&
	    (s->now < d->pace.again || (looked_at && !dest_has(d, r->job))))
		remote_park(s, d, r);
	else if (d->waiting >= LINE_MAX_WAIT && !dest_has(d, r->job))
		remote_park(s, d, r);
	else
		transport_submit(s, &s->remote, d, r);
}

static void
remote_submit(struct sched *s, struct rcpt *r)
{
	struct span path = rcpt_address(r);
	struct address address;
	struct sbuf name;
	struct dest *d = NULL;

	if (address_path(&path, ADDRESS_FORWARD, &address) != ADDRESS_OK ||
	    address.domain.n == 0) {
		dispatch_refuse(s, r, VERDICT_FAILED,
		    "553 5.1.3 Mail cannot be sent to this address");
		return;
	}
	sbuf_init(&name, ROUTE_MAX);
	if (r->route != 0)
		sbuf_addspan(&name, rcpt_route(r));
	else
		route_find(&name, s->conf, address.domain);
	if (!name.bad)
		d = dest_get(&s->remote.dests, sbuf_span(&name));
	sbuf_free(&name);
	if (d == NULL)
		dispatch_refuse(s, r, VERDICT_DEFERRED,
		    "451 4.3.0 out of memory");
	else
		remote_enter(s, d, r);
}

static void
local_submit(struct sched *s, struct rcpt *r)
{
	struct dest *d = dest_get(&s->local.dests, rcpt_user(r));

	if (d == NULL)
		dispatch_refuse(s, r, VERDICT_DEFERRED,
		    "451 4.3.0 out of memory");
	else
		transport_submit(s, &s->local, d, r);
}

void
dispatch_submit(struct sched *s, struct rcpt *r)
{
	if (rcpt_user(r).n > 0)
		local_submit(s, r);
	else
		remote_submit(s, r);
}

/* --- the whole ---------------------------------------------------------------- */

void
dispatch_init(struct sched *s)
{
	transport_init(&s->local, &local_kind, s->conf->lspawn,
	    (unsigned)s->conf->local_concurrency,
	    s->conf->local_timeout * 1000);
	transport_init(&s->remote, &remote_kind, s->conf->remote,
	    (unsigned)s->conf->remote_concurrency,
	    s->conf->remote_timeout * 1000 + OVERTIME_MS);
}

instant
dispatch_pump(struct sched *s)
{
	instant next = transport_pump(s, &s->local);

	if (s->now >= s->sweep) {
		if (s->now > FORGET_MS)
			dest_sweep(&s->remote.dests, s->now - FORGET_MS);
		s->sweep = s->now + SWEEP_MS;
	}
	return sooner(next, transport_pump(s, &s->remote));
}

/* It is looked at now, if it is dead. */
static void
dest_hurry(struct sched *s, struct dest *d)
{
	pace_hurry(&d->pace, s->now);
	d->watched = false;
}

void
dispatch_hurry(struct sched *s, struct span name)
{
	struct dest *d = dest_find(&s->remote.dests, name);

	if (d != NULL)
		dest_hurry(s, d);
}

void
dispatch_hurry_all(struct sched *s)
{
	struct dests *t = &s->remote.dests;

	for (size_t i = 0; i < DEST_BUCKETS; i++)
		for (struct dest *d = t->bucket[i]; d != NULL; d = d->chain)
			dest_hurry(s, d);
}
