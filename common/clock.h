/* SPDX-License-Identifier: ISC */
/* Time: a steady clock for deadlines, the wall clock for stamps. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#include "sbuf.h"

/* An instant of the steady clock, in ms. NEVER does not come. */
typedef uint64_t instant;
#define NEVER UINT64_MAX

instant clock_now(void);

/* The instant ms from now. */
instant clock_in(uint64_t ms);

/* What is left until t, as poll(2) takes it: -1 for NEVER, 0 when past. */
int clock_left(instant t);

/* The wall clock in microseconds since 1970. */
uint64_t clock_wall_us(void);

/* Appends t as an RFC 5322 section 3.3 date-time in UTC. */
void clock_date(struct sbuf *, time_t t);

#endif
