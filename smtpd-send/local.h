/* SPDX-License-Identifier: ISC */
/* Local deliveries: a destination is a user, smtpd-lspawn becomes him. */
#ifndef LOCAL_H
#define LOCAL_H

#include "transport.h"

void local_init(struct sched *);

/* Takes a rcpt that is RCPT_BUSY; job_verdict comes now or later. */
void local_submit(struct sched *, struct rcpt *);

#endif
