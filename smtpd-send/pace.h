/* SPDX-License-Identifier: ISC */
/* How many connections a destination gets: functions of state and clock. */
#ifndef PACE_H
#define PACE_H

#include "clock.h"

#define PACE_START 2          /* connections to one that nothing is known of */
#define PACE_DELAY_MIN 60000  /* ms until a dead one is looked at again */
#define PACE_DELAY_MAX 900000 /* the delay doubles up to this */

/* All zero: nothing is known yet. */
struct pace {
	uint16_t window;   /* connections at once; 0: it never answered */
	uint16_t steady;   /* the window grows slowly beyond; 0: no limit */
	uint16_t credit;   /* successes towards the next slow step */
	uint16_t failures; /* looks in a row at which it was dead */
	instant again;     /* dead: not before; 0: it is not dead */
};

/*
 * Connections that it may have now, at most max. One that is dead gets none
 * until it is time to look again, and then one.
 */
unsigned pace_limit(const struct pace *, instant now, unsigned max);

static inline bool
pace_is_dead(const struct pace *p)
{
	return p->again != 0;
}

/*
 * It answered. The window grows by one each time, so that it doubles in a
 * round; after a failure it does so to the half, and goes on by one a round.
 * True: it was dead.
 */
bool pace_good(struct pace *, unsigned max);

/*
 * It could not be reached. The window is halved; with nothing left of it, or
 * when it never answered, it is dead. True: it has died now, or again.
 */
bool pace_bad(struct pace *, instant now, uint32_t seed);

/* Who is dead may be looked at now. */
void pace_hurry(struct pace *, instant now);

#endif
