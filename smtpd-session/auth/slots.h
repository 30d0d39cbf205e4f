/* SPDX-License-Identifier: ISC */
/* So many at once, over processes: what costs the processor is rationed. */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "span.h"

/*
 * Locks on the octets of a file in memory, which all processes of a listener
 * inherit as one descriptor. The kernel frees the slot of who dies.
 */
#define SLOTS_FD 5

/* In the listener, before it starts others. */
void slots_make(void);

/* In those: false when nobody has made any, and there is no limit then. */
bool slots_open(void);

/* Waits for one of n; false: it took longer than so many seconds. */
bool slots_take(unsigned n, unsigned seconds) MUST_CHECK;
void slots_release(void);

#endif
