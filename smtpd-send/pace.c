/* SPDX-License-Identifier: ISC */
/* How many connections a destination gets: functions of state and clock. */
#include "pace.h"

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
delay(const struct pace *p, uint32_t seed)
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
	p->again = now + delay(p, seed);
	return true;
}

void
pace_hurry(struct pace *p, instant now)
{
	if (pace_is_dead(p) && now < p->again)
		p->again = now > 0 ? now : 1;
}
