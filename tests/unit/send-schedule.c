/* SPDX-License-Identifier: ISC */
/* The retry schedule, driven through months by a fake clock. */
#include "schedule.h"

#include "tap.h"

#define DAY 86400U
#define T0 1790000000U

/* Tries from T0 until nothing is left to try; gives how many, and when. */
static unsigned
live(uint64_t lifetime, uint32_t seed, uint64_t at[], unsigned max)
{
	struct schedule s = { .born = T0, .seed = seed };
	struct schedule_next n = { false, T0 };

	while (!n.expired && s.attempts < max) {
		at[s.attempts++] = n.at;
		n = schedule_next(&s, n.at, lifetime, true);
	}
	return s.attempts;
}

static void
delays_are_as_promised(void)
{
	static const uint64_t want[] = { 60, 300, 900, 1800, 3600, 7200, 14400,
		28800, DAY, DAY, DAY };
	uint64_t at[64];
	unsigned n, wrong = 0, same = 0;

	for (uint32_t seed = 0; seed < 1000; seed++) {
		n = live(30 * DAY, seed * 2654435761U, at, 64);
		for (unsigned i = 0; i < nitems(want); i++) {
			uint64_t d = at[i + 1] - at[i];

			wrong += d < want[i] || d > want[i] + want[i] / 10;
		}
		same += at[8] == T0 + 57060;
	}
	is_num(wrong, 0, "each delay is right, and at most a tenth longer");
	ok(same < 100, "the jitter spreads them");
	ok(n > 30 && n < 40, "30 days are %u tries", n);
}

static void
last_try_is_at_the_end(void)
{
	static const uint64_t lifetimes[] = { 7200, DAY, 3 * DAY, 5 * DAY,
		30 * DAY, 365 * DAY };
	uint64_t at[512], end;
	unsigned n, early = 0, late = 0;

	for (unsigned i = 0; i < nitems(lifetimes); i++)
		for (uint32_t seed = 1; seed < 500; seed++) {
			n = live(lifetimes[i], seed * 40503, at, 512);
			end = T0 + lifetimes[i];
			early += at[n - 1] < end;
			late += at[n - 1] > end + SCHEDULE_LAST_GAP;
		}
	is_num(early, 0, "nothing is given up before its lifetime is over");
	is_num(late, 0, "and the last try is when it is");
	n = live(DAY, 7, at, 512);
	is_num((long long)n, 10, "a day is ten tries");
}

static void
never_fewer_than_five(void)
{
	uint64_t at[64];
	struct schedule s = { .born = T0, .attempts = 1, .seed = 3 };
	struct schedule_next n;

	is_num(live(60, 1, at, 64), SCHEDULE_ATTEMPTS_MIN,
	    "a minute's lifetime still is five tries");
	n = schedule_next(&s, T0 + 365 * DAY, DAY, true);
	ok(!n.expired && n.at <= T0 + 365 * DAY + 66,
	    "a first try a year late is not the last");
	s.attempts = 5;
	n = schedule_next(&s, T0 + 365 * DAY, DAY, true);
	ok(n.expired, "the fifth is");
}

static void
doubtful_clock(void)
{
	struct schedule s = { .born = T0, .attempts = 9, .seed = 3 };
	struct schedule_next n;
	struct clockwatch w;
	instant t = 5000000;

	n = schedule_next(&s, T0 + 2 * DAY, DAY, false);
	ok(!n.expired && n.at <= T0 + 2 * DAY + CLOCK_JUMP,
	    "what may not expire is looked at within an hour");
	n = schedule_next(&s, T0 - 100 * DAY, DAY, true);
	ok(!n.expired && n.at > T0 - 100 * DAY && n.at < T0 - 98 * DAY,
	    "a clock before the message's birth only delays");

	clockwatch_init(&w, t, T0);
	ok(clockwatch_may_expire(&w, t), "at rest everything may expire");
	for (unsigned i = 0; i < 1000; i++)
		clockwatch_jumped(&w, t + i * 60000, T0 + i * 61);
	ok(clockwatch_may_expire(&w, t), "a clock that drifts has not jumped");
	clockwatch_init(&w, t, T0);
	ok(!clockwatch_jumped(&w, t + 1000, T0 + 3601), "an hour is no jump");
	ok(clockwatch_jumped(&w, t + 2000, T0 + 7300), "more is");
	ok(!clockwatch_may_expire(&w, t + 3000), "nothing expires then");
	ok(!clockwatch_may_expire(&w, t + 3601000), "for an hour");
	ok(clockwatch_may_expire(&w, t + 3602000), "but after it");
	ok(clockwatch_jumped(&w, t + 4000000, T0), "backwards too");
	ok(!clockwatch_may_expire(&w, t + 4000000), "it is the same");
}

/* A queue of messages for 30 days, each try failing, second by second. */
static void
thirty_days(void)
{
	enum { N = 2000 };
	static struct schedule s[N];
	static uint64_t due[N];
	unsigned tries = 0, alive = N, early = 0;

	for (unsigned i = 0; i < N; i++) {
		s[i] = (struct schedule){ .born = T0 + i * 60,
			.seed = i * 2246822519U };
		due[i] = s[i].born;
	}
	for (uint64_t now = T0; now < T0 + 30 * DAY && alive > 0; now += 60)
		for (unsigned i = 0; i < N; i++) {
			struct schedule_next n;

			if (due[i] > now)
				continue;
			s[i].attempts++;
			tries++;
			n = schedule_next(&s[i], now, 5 * DAY, true);
			due[i] = n.expired ? UINT64_MAX : n.at;
			alive -= n.expired;
			early += n.expired && now < s[i].born + 5 * DAY;
		}
	is_num(alive, 0, "all of them have an end");
	is_num(early, 0, "none too early");
	ok(tries / N >= 12 && tries / N <= 15, "%u tries each", tries / N);
}

int
main(void)
{
	delays_are_as_promised();
	last_try_is_at_the_end();
	never_fewer_than_five();
	doubtful_clock();
	thirty_days();
	return done();
}
