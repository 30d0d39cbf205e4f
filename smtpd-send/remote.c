/* SPDX-License-Identifier: ISC */
/* The transport to other hosts: until it is there, all of it waits. */
#include "sched.h"

static void
submit(struct sched *s, struct rcpt *r)
{
	job_verdict(s, r,
	    &(struct outcome){ .verdict = VERDICT_DEFERRED,
		.stage = SPAN("remote"),
		.reply = SPAN("451 4.3.2 remote delivery is not there yet") });
}

const struct transport remote_transport = { submit };
