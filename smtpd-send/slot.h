/* SPDX-License-Identifier: ISC */
/* The slots of a transport: opened, listed by time, closed. */
#ifndef SLOT_H
#define SLOT_H

#include "transport.h"

/* NULL: its helper cannot be reached, and is not dialled for a while. */
struct slot *slot_open(struct sched *, struct transport *, struct dest *);
void slot_close(struct sched *, struct slot *);

/* It has shown that it is at work. */
void slot_touch(struct sched *, struct slot *);

void slot_set_slow(struct slot *, bool slow);
void slot_set_idle(struct slot *, bool idle);

/* Nobody's fault, nothing is counted: waits before the next try to dial. */
void slot_pause(struct sched *, struct transport *, int err);

#endif
