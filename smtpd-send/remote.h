/* SPDX-License-Identifier: ISC */
/* Remote deliveries: a destination is a domain, or where its mail is routed. */
#ifndef REMOTE_H
#define REMOTE_H

#include "transport.h"

void remote_init(struct sched *);

/* Takes a rcpt that is RCPT_BUSY; a verdict, or job_untried, comes for it. */
void remote_submit(struct sched *, struct rcpt *);

/* transport_pump, and what is known of old destinations is forgotten. */
instant remote_pump(struct sched *);

/* If the destination of that name is dead, it is looked at now. */
void remote_hurry_one(struct sched *, struct span name);

/* All those that are dead are. */
void remote_hurry(struct sched *);

#endif
