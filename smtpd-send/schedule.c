/* SPDX-License-Identifier: ISC */
/* Retries, the watch over the clock, and the connections of a destination. */
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
schedule_spread(uint32_t seed, unsigned attempts)
{
	uint32_t x = seed ^ (attempts * 2654435769U);

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x & 1023;
}

static uint64_t
schedule_delay(const struct schedule *s)
{
	unsigned i = s->attempts > 0 ? s->attempts - 1 : 0;
	uint64_t d = delays[i < nitems(delays) ? i : nitems(delays) - 1];

	return d + d * schedule_spread(s->seed, s->attempts) / 10240;
}

struct schedule_next
schedule_next(const struct schedule *s, uint64_t now, uint64_t lifetime,
    bool may_expire)
{
	uint64_t end = s->born + lifetime;
	struct schedule_next n = { false, now + schedule_delay(s) };

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
clockwatch_offset(instant steady, uint64_t wall)
{
	return (int64_t)wall - (int64_t)(steady / 1000);
}

void
clockwatch_init(struct clockwatch *w, instant steady, uint64_t wall)
{
	w->offset = clockwatch_offset(steady, wall);
	w->quiet = 0;
}

bool
clockwatch_jumped(struct clockwatch *w, instant steady, uint64_t wall)
{
	int64_t offset = clockwatch_offset(steady, wall);
	int64_t step = offset - w->offset;

	w->offset = offset;
	if (step <= CLOCK_JUMP && step >= -CLOCK_JUMP)
		return false;
	w->quiet = steady + CLOCK_JUMP * 1000;
	return true;
}

/* --- how many connections a destination gets --------------------------------- */

unsigned
pace_limit(const struct pace *p, instant now, unsigned max)
{
	unsigned limit = p->window > 0 ? p->window : PACE_START;

	if (pace_is_dead(p))
		limit = now >= p->again;
	return limit < max ? limit : max;
}

bool
pace_good(struct pace *p, unsigned max)
{
	bool was_dead = pace_is_dead(p);

	p->failures = 0;
	p->again = 0;
	if (p->window == 0)
		p->window = PACE_START;
	if (p->steady != 0 && p->window >= p->steady && ++p->credit < p->window)
		return was_dead;
	p->credit = 0;
	if (p->window < max)
		p->window++;
	return was_dead;
}

/* Doubled each time, and up to a tenth more. */
static uint64_t
pace_delay(const struct pace *p, uint32_t seed)
{
	uint64_t ms = PACE_DELAY_MIN;

	for (unsigned i = 1; i < p->failures && ms < PACE_DELAY_MAX; i++)
		ms *= 2;
	if (ms > PACE_DELAY_MAX)
		ms = PACE_DELAY_MAX;
	return ms + ms * (seed % 1024) / 10240;
}

bool
pace_bad(struct pace *p, instant now, uint32_t seed)
{
	/* One that was open when it died says nothing new. */
	if (pace_is_dead(p) && now < p->again)
		return false;
	p->window /= 2;
	p->steady = p->window;
	p->credit = 0;
	if (p->window > 0)
		return false;
	if (p->failures < UINT16_MAX)
		p->failures++;
	p->again = now + pace_delay(p, seed);
	return true;
}

void
pace_hurry(struct pace *p, instant now)
{
	if (pace_is_dead(p) && now < p->again)
		p->again = now > 0 ? now : 1;
}
