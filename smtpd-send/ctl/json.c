/* SPDX-License-Identifier: ISC */
/* Octets of strangers as a string of JSON (RFC 8259). */
#include <stdio.h>

#include "report.h"

#define NO_CHARACTER 0xfffdU

static bool
is_tail(struct span s, size_t i)
{
	return i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80;
}

static uint32_t
tail(struct span s, size_t i)
{
	return (unsigned char)s.p[i] & 0x3fU;
}

/* The character at the front of s, and its length (RFC 3629 4). */
static uint32_t
take(struct span s, size_t *n)
{
	unsigned char a = (unsigned char)s.p[0];
	uint32_t c = NO_CHARACTER;

	*n = 1;
	if (a < 0x80)
		return a;
	if (a >= 0xc2 && a <= 0xdf && is_tail(s, 1)) {
		*n = 2;
		return (a & 0x1fU) << 6 | tail(s, 1);
	}
	if ((a & 0xf0) == 0xe0 && is_tail(s, 1) && is_tail(s, 2)) {
		c = (a & 0x0fU) << 12 | tail(s, 1) << 6 | tail(s, 2);
		if (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))
			return NO_CHARACTER;
		*n = 3;
	} else if (a >= 0xf0 && a <= 0xf4 && is_tail(s, 1) && is_tail(s, 2) &&
	    is_tail(s, 3)) {
		c = (a & 0x07U) << 18 | tail(s, 1) << 12 | tail(s, 2) << 6 |
		    tail(s, 3);
		if (c < 0x10000 || c > 0x10ffff)
			return NO_CHARACTER;
		*n = 4;
	}
	return c;
}

static void
print(uint32_t c)
{
	if (c == '"' || c == '\\')
		(void)printf("\\%c", (char)c);
	else if (c >= ' ' && c <= '~')
		(void)putchar((int)c);
	else if (c < 0x10000)
		(void)printf("\\u%04x", (unsigned)c);
	else
		(void)printf("\\u%04x\\u%04x",
		    (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
		    (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
}

void
json_string(struct span s)
{
	size_t n;

	(void)putchar('"');
	while (s.n > 0) {
		print(take(s, &n));
		s = span_skip(s, n);
	}
	(void)putchar('"');
}
