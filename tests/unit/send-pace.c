/* SPDX-License-Identifier: ISC */
/* Connections to a destination, on a clock that runs as we say. */
#include "schedule.h"

#include "tap.h"

#define MAX 20
#define DAY (24 * 3600 * 1000ULL)

static void
test_start(void)
{
	struct pace p = { 0 };

	ok(pace_limit(&p, 1, MAX) == PACE_START, "one that is new gets two");
	ok(pace_limit(&p, 1, 1) == 1, "and never more than may be");
	for (unsigned i = 0; i < 100; i++)
		(void)pace_good(&p, MAX);
	ok(pace_limit(&p, 1, MAX) == MAX, "it grows to the limit");
}

/* So many successes make the window so wide. */
static unsigned
successes_until(struct pace *p, unsigned width)
{
	unsigned n = 0;

	while (p->window < width && n < 10000) {
		(void)pace_good(p, MAX);
		n++;
	}
	return n;
}

static void
test_growth(void)
{
	struct pace p = { 0 };
	unsigned first, again;

	first = successes_until(&p, 16);
	ok(first <= 16, "at first it doubles in a round");
	ok(!pace_bad(&p, 1000, 7) && p.window == 8, "a failure halves it");
	again = successes_until(&p, 16);
	ok(again > 3 * first, "then it grows by one a round");
	ok(!pace_is_dead(&p), "one failure of many is no death");
}

static void
test_death(void)
{
	struct pace p = { 0 };
	instant now = 5000;

	ok(pace_bad(&p, now, 0) && pace_is_dead(&p),
	    "one that never answered is dead at once");
	ok(pace_limit(&p, now, MAX) == 0, "it gets nothing");
	ok(!pace_bad(&p, now + 1, 0),
	    "the one that was open as well says nothing new");
	ok(pace_limit(&p, p.again - 1, MAX) == 0, "nothing until it is time");
	ok(pace_limit(&p, p.again, MAX) == 1, "and then one looks");
	ok(pace_good(&p, MAX) && !pace_is_dead(&p), "it answers: alive");
	ok(pace_limit(&p, now, MAX) >= PACE_START, "and starts anew");
	(void)pace_bad(&p, now, 0);
	(void)pace_bad(&p, now, 0);
	ok(pace_is_dead(&p), "it dies again");
	pace_hurry(&p, now);
	ok(pace_limit(&p, now, MAX) == 1, "hurried, it is looked at now");
}

/* A month of looks at one that stays dead. */
static void
test_month(void)
{
	struct pace p = { 0 };
	instant now = 1, last = 0, longest = 0, shortest = NEVER;
	unsigned looks = 0;

	while (now < 30 * DAY) {
		if (looks > 0) {
			longest = now - last > longest ? now - last : longest;
			shortest = now - last < shortest ? now - last :
							   shortest;
		}
		last = now;
		looks++;
		if (!pace_bad(&p, now, looks * 2654435769U))
			break;
		now = p.again;
	}
	ok(now >= 30 * DAY, "each look finds it dead again");
	ok(shortest >= PACE_DELAY_MIN && longest <= PACE_DELAY_MAX * 11 / 10,
	    "no look comes too soon, none too late");
	ok(looks > 30 * DAY / PACE_DELAY_MAX / 2 &&
		looks < 2 * 30 * DAY / PACE_DELAY_MAX,
	    "a month has some 2900 looks");
	note("%u looks", looks);
	ok(pace_good(&p, MAX) && p.failures == 0, "and one answer ends it");
}

int
main(void)
{
	test_start();
	test_growth();
	test_death();
	test_month();
	return done();
}
