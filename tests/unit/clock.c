/* SPDX-License-Identifier: ISC */
/* Clocks: deadlines at their edges, dates against the C library's. */
#include <limits.h>

#include "clock.h"
#include "tap.h"

static void
deadlines(void)
{
	instant now = clock_now();

	is_num(clock_left(NEVER), -1, "poll waits for ever");
	is_num(clock_left(0), 0, "0 is past");
	is_num(clock_left(now), 0, "now is past");
	ok(clock_left(now + 60000) > 50000 && clock_left(now + 60000) <= 60000,
	    "a minute is left");
	is_num(clock_left(NEVER - 1), INT_MAX, "no overflow of poll's int");
	ok(clock_in(NEVER) == NEVER, "never from now is never");
	ok(clock_in(NEVER - 1) == NEVER, "no overflow of an instant");
	ok(clock_in(5) >= now + 5, "5 ms from now");
	ok(clock_now() >= now, "it goes on");
	ok(clock_wall_us() / 1000000 - (uint64_t)time(NULL) <= 1,
	    "the wall clock in microseconds");
}

static void
date_is(time_t t, const char *want)
{
	struct sbuf b;

	sbuf_init(&b, 64);
	clock_date(&b, t);
	is_str(b.s, want, "date of %lld", (long long)t);
	sbuf_free(&b);
}

static void
dates(void)
{
	char want[64];
	struct sbuf b;
	struct tm tm;
	unsigned wrong = 0;

	date_is(0, "Thu, 1 Jan 1970 00:00:00 +0000");
	date_is(951782399, "Mon, 28 Feb 2000 23:59:59 +0000");
	date_is(951782400, "Tue, 29 Feb 2000 00:00:00 +0000");
	date_is(1709251199, "Thu, 29 Feb 2024 23:59:59 +0000");
	date_is(4107542400, "Mon, 1 Mar 2100 00:00:00 +0000");
	date_is(-1, "Wed, 31 Dec 1969 23:59:59 +0000");
	sbuf_init(&b, 64);
	/* Steps that are prime to a day visit every day of the year. */
	for (time_t t = -5000000000; t < 9000000000; t += 86413 * 7) {
		(void)gmtime_r(&t, &tm);
		(void)strftime(want, sizeof(want),
		    "%a, %e %b %Y %H:%M:%S +0000", &tm);
		if (want[5] == ' ')
			memmove(want + 5, want + 6, strlen(want + 5));
		sbuf_reset(&b);
		clock_date(&b, t);
		wrong += !span_eq(sbuf_span(&b), span_str(want));
	}
	sbuf_free(&b);
	is_num(wrong, 0, "the same dates as gmtime");
}

int
main(void)
{
	deadlines();
	dates();
	return done();
}
