/* SPDX-License-Identifier: ISC */
/* The retry schedule, and the watch over the clock it is read from. */
#include "schedule.h"

#define MINUTE 60U
#define HOUR 3600U

static const uint32_t delays[] = {
	1 * MINUTE,
	5 * MINUTE,
	15 * MINUTE,
	30 * MINUTE,
	1 * HOUR,
	2 * HOUR,
	4 * HOUR,
	8 * HOUR,
	24 * HOUR,
};

/* 0 to 1023, another one for each message and try (xorshift). */
static uint32_t
spread(uint32_t seed, unsigned attempts)
{
	uint32_t x = seed ^ (attempts * 2654435769U);

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x & 1023;
}

static uint64_t
delay_after(const struct schedule *s)
{
	unsigned i = s->attempts > 0 ? s->attempts - 1 : 0;
	uint64_t d = delays[i < nitems(delays) ? i : nitems(delays) - 1];

	return d + d * spread(s->seed, s->attempts) / 10240;
}

struct schedule_next
schedule_next(const struct schedule *s, uint64_t now, uint64_t lifetime,
    bool may_expire)
{
	uint64_t end = s->born + lifetime;
	struct schedule_next n = { false, now + delay_after(s) };

	if (now >= end) {
		if (s->attempts < SCHEDULE_ATTEMPTS_MIN)
			return n;
		n.expired = may_expire;
		/* The clock may be wrong: look again when that is settled. */
		if (n.at > now + CLOCK_JUMP)
			n.at = now + CLOCK_JUMP;
		return n;
	}
	if (n.at > end)
		n.at = end > now + SCHEDULE_LAST_GAP ? end :
						       now + SCHEDULE_LAST_GAP;
	return n;
}

static int64_t
offset_of(instant steady, uint64_t wall)
{
	return (int64_t)wall - (int64_t)(steady / 1000);
}

void
clockwatch_init(struct clockwatch *w, instant steady, uint64_t wall)
{
	w->offset = offset_of(steady, wall);
	w->quiet = 0;
}

bool
clockwatch_jumped(struct clockwatch *w, instant steady, uint64_t wall)
{
	int64_t offset = offset_of(steady, wall);
	int64_t step = offset - w->offset;

	w->offset = offset;
	if (step <= CLOCK_JUMP && step >= -CLOCK_JUMP)
		return false;
	w->quiet = steady + CLOCK_JUMP * 1000;
	return true;
}
