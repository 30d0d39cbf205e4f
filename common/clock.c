/* SPDX-License-Identifier: ISC */
/* Time: a steady clock for deadlines, the wall clock for stamps. */
#include <limits.h>

#include "clock.h"

instant
clock_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

instant
clock_in(uint64_t ms)
{
	instant now = clock_now();

	return ms >= NEVER - now ? NEVER : now + ms;
}

int
clock_left(instant t)
{
	instant now;

	if (t == NEVER)
		return -1;
	if (t == 0)
		return 0; /* "do not wait" costs no look at the clock */
	now = clock_now();
	if (t <= now)
		return 0;
	return t - now > INT_MAX ? INT_MAX : (int)(t - now);
}

uint64_t
clock_wall_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * Days since 1970 to a date, in years that begin on 1 March, so that the
 * leap day is the last of its year. By hand, because gmtime(3) of glibc
 * opens /etc/localtime, which a confined program may not.
 */
static void
clock_civil(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned)(mp < 10 ? mp + 2 : mp - 10);
	*year = yoe + era * 400 + (*month <= 1);
}

void
clock_date(struct sbuf *b, time_t t)
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon",
		"Tue", "Wed" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t day = t / 86400, year;
	unsigned sec = (unsigned)((t % 86400 + 86400) % 86400), month, mday;

	if (t % 86400 < 0)
		day--;
	clock_civil(day, &year, &month, &mday);
	sbuf_addf(b, "%s, %u %s %04lld %02u:%02u:%02u +0000",
	    days[(day % 7 + 7) % 7], mday, months[month], (long long)year,
	    sec / 3600, sec / 60 % 60, sec % 60);
}
