/* SPDX-License-Identifier: ISC */
/* Local deliveries: a destination is a user, smtpd-lspawn becomes him. */
#include "sched.h"

static unsigned
limit(const struct sched *s, const struct dest *d)
{
	(void)d;
	return (unsigned)s->conf->user_concurrency;
}

/* Whatever one message came to says nothing of the user's next one. */
static void
heard(struct sched *s, struct dest *d, const struct outcome *o)
{
	(void)s, (void)d, (void)o;
}

static void
moved(struct sched *s, struct dest *d)
{
	(void)s, (void)d;
}

static const struct transport_kind kind = {
	.program = "smtpd-lspawn",
	.stage = "local",
	.parcel = 1,
	.ahead = SLOT_AHEAD,
	.slow_ms = 5000,
	.slow_max = 32,
	.limit = limit,
	.heard = heard,
	.moved = moved,
};

void
local_init(struct sched *s)
{
	transport_init(&s->local, &kind, s->conf->lspawn,
	    (unsigned)s->conf->local_concurrency,
	    s->conf->local_timeout * 1000);
}

void
local_submit(struct sched *s, struct rcpt *r)
{
	struct dest *d = dest_get(&s->local.dests, rcpt_user(r));

	if (d != NULL) {
		transport_submit(s, &s->local, d, r);
		return;
	}
	job_verdict(s, r,
	    &(struct outcome){ .verdict = VERDICT_DEFERRED,
		.stage = SPAN("send"),
		.reply = SPAN("451 4.3.0 out of memory") });
}
