/* SPDX-License-Identifier: ISC */
/* Times: those that the log's keeper has put before a line, and for humans. */
#include "stamp.h"

#include <time.h>

#define TAI64N_LEN 24
#define TAI_1970 (0x4000000000000000U + 10) /* as multilog(8) has it */
#define SECONDS_MAX 253402300799U           /* year 9999 */

static uint64_t
parse_tai64n(struct span s)
{
	uint64_t seconds, nano;

	if (s.n < TAI64N_LEN ||
	    !span_hex(span_of(s.p, 16), UINT64_MAX, &seconds) ||
	    !span_hex(span_of(s.p + 16, 8), 999999999, &nano) ||
	    seconds < TAI_1970 || seconds - TAI_1970 > SECONDS_MAX)
		return 0;
	return (seconds - TAI_1970) * 1000000 + nano / 1000;
}

/* ".456789" as microseconds; takes it off *s. */
static uint64_t
take_fraction(struct span *s)
{
	uint64_t us = 0, unit = 100000;

	if (s->n == 0 || (s->p[0] != '.' && s->p[0] != ','))
		return 0;
	for (*s = span_skip(*s, 1); s->n > 0 && ascii_isdigit(s->p[0]);
	     *s = span_skip(*s, 1)) {
		us += (uint64_t)(s->p[0] - '0') * unit;
		unit /= 10;
	}
	return us;
}

/* Takes n digits and what must follow them (0: nothing) off *s. */
static bool
take_number(struct span *s, size_t n, char after, int *out)
{
	uint64_t v;

	if (s->n < n + (after != 0) || !span_u64(span_of(s->p, n), 9999, &v) ||
	    (after != 0 && s->p[n] != after))
		return false;
	*out = (int)v;
	*s = span_skip(*s, n + (after != 0));
	return true;
}

/* The zone at the front of s, in seconds east of UTC. */
static bool
parse_zone(struct span s, int64_t *east)
{
	int hours, minutes;
	bool west = s.n > 0 && s.p[0] == '-';

	*east = 0;
	if (span_starts(s, SPAN("Z")) || span_starts(s, SPAN("UTC")))
		return true;
	if (s.n == 0 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	s = span_skip(s, 1);
	if (!take_number(&s, 2, 0, &hours))
		return false;
	if (s.n > 0 && s.p[0] == ':')
		s = span_skip(s, 1);
	if (!take_number(&s, 2, 0, &minutes))
		return false;
	*east = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

static uint64_t
parse_iso(struct span s)
{
	struct tm tm = { 0 };
	int64_t east, seconds;
	uint64_t us;

	if (!take_number(&s, 4, '-', &tm.tm_year) ||
	    !take_number(&s, 2, '-', &tm.tm_mon) ||
	    !take_number(&s, 2, 0, &tm.tm_mday) || s.n == 0 ||
	    (s.p[0] != 'T' && s.p[0] != ' '))
		return 0;
	s = span_skip(s, 1);
	if (!take_number(&s, 2, ':', &tm.tm_hour) ||
	    !take_number(&s, 2, ':', &tm.tm_min) ||
	    !take_number(&s, 2, 0, &tm.tm_sec))
		return 0;
	us = take_fraction(&s);
	if (s.n > 0 && s.p[0] == ' ')
		s = span_skip(s, 1);
	if (!parse_zone(s, &east))
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm) - east;
	return seconds > 0 ? (uint64_t)seconds * 1000000 + us : 0;
}

static uint64_t
parse_unix(struct span s)
{
	size_t n = 0;
	uint64_t seconds;

	while (n < s.n && ascii_isdigit(s.p[n]))
		n++;
	if (n < 9 || !span_u64(span_of(s.p, n), SECONDS_MAX, &seconds))
		return 0;
	s = span_skip(s, n);
	return seconds * 1000000 + take_fraction(&s);
}

uint64_t
stamp_parse(struct span s)
{
	uint64_t t;

	/* "Wed 2026-11-25 ...": the name of the day says nothing more. */
	if (s.n > 4 && ascii_isalpha(s.p[0]) && s.p[3] == ' ')
		s = span_skip(s, 4);
	if (s.n > 0 && s.p[0] == '@')
		return parse_tai64n(span_skip(s, 1));
	t = parse_iso(s);
	return t != 0 ? t : parse_unix(s);
}

void
stamp_add(struct sbuf *b, uint64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	char text[32];

	if (us / 1000000 > SECONDS_MAX || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		sbuf_addf(b, "%*s", STAMP_LEN, "");
		return;
	}
	sbuf_addf(b, "%s.%03u", text, (unsigned)(us / 1000 % 1000));
}
