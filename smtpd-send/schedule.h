/* SPDX-License-Identifier: ISC */
/* When a message is tried next: functions of its state and the clock alone. */
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
 * What follows a try that ended now. 1m 5m 15m 30m 1h 2h 4h 8h, then every
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

#endif
