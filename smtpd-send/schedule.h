/* SPDX-License-Identifier: ISC */
/* When to try, and on how many connections: functions of state and clock. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "clock.h"

#define SCHEDULE_ATTEMPTS_MIN 5  /* nothing is given up with fewer */
#define SCHEDULE_LAST_GAP 60     /* s between the last try and the one before */
#define SCHEDULE_DELAY_MAX 96000 /* s: no delay is longer */
#define CLOCK_JUMP 3600          /* s; a jump expires nothing for as long */

/* All times are seconds of the wall clock. */
struct schedule {
	uint64_t born;     /* when the message came */
	unsigned attempts; /* made so far, the one that just failed too */
	uint32_t seed;     /* of the message: spreads the jitter */
};

struct schedule_next {
	bool expired; /* there is no next try */
	uint64_t at;
};

/*
 * The attempt that follows one which ended now. 1m 5m 15m 30m 1h 2h 4h 8h, then every
 * 24h, each up to a tenth later; the last try is at the end of the lifetime.
 * Without may_expire the message stays, whatever its age.
 */
struct schedule_next schedule_next(const struct schedule *, uint64_t now,
    uint64_t lifetime, bool may_expire);

/* The wall clock against the steady one: was it set by more than an hour? */
struct clockwatch {
	int64_t offset; /* wall - steady, in s */
	instant quiet;  /* expire nothing before */
};

void clockwatch_init(struct clockwatch *, instant steady, uint64_t wall);

/* Call it often. True when the wall clock has jumped since the last call. */
bool clockwatch_jumped(struct clockwatch *, instant steady, uint64_t wall);

static inline bool
clockwatch_may_expire(const struct clockwatch *w, instant steady)
{
	return steady >= w->quiet;
}

/* --- how many connections a destination gets --------------------------------- */

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

/* If it is dead, it may be looked at now. */
void pace_hurry(struct pace *, instant now);

#endif
