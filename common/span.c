/* SPDX-License-Identifier: ISC */
/* Read-only views of octets, ASCII classes, strict numbers. */
#include "span.h"

bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
span_ieq(struct span a, struct span b)
{
	return a.n == b.n && span_istarts(a, b);
}

bool
span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_eq(span_of(s.p, prefix.n), prefix);
}

bool
span_istarts(struct span s, struct span prefix)
{
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
			return false;
	return true;
}

size_t
span_find(struct span s, char c)
{
	const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return at == NULL ? s.n : (size_t)(at - s.p);
}

size_t
span_rfind(struct span s, char c)
{
	const char *at = s.n == 0 ? NULL : memrchr(s.p, c, s.n);

	return at == NULL ? s.n : (size_t)(at - s.p);
}

struct span
span_skip(struct span s, size_t n)
{
	if (n == 0)
		return s; /* p may be NULL: no arithmetic then */
	if (n > s.n)
		n = s.n;
	return n == 0 ? s : span_of(s.p + n, s.n - n);
}

struct span
span_cut(struct span *rest, char sep)
{
	size_t n = span_find(*rest, sep);
	struct span front = { rest->p, n };

	*rest = span_skip(*rest, n < rest->n ? n + 1 : n);
	return front;
}

static size_t
span_blanks(struct span s)
{
	size_t n = 0;

	while (n < s.n && ascii_isblank(s.p[n]))
		n++;
	return n;
}

struct span
span_word(struct span *rest)
{
	struct span s = span_skip(*rest, span_blanks(*rest));
	size_t n = 0;

	while (n < s.n && !ascii_isblank(s.p[n]))
		n++;
	*rest = span_skip(s, n);
	return span_of(s.p, n);
}

struct span
span_trim(struct span s)
{
	s = span_skip(s, span_blanks(s));
	while (s.n > 0 && ascii_isblank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static unsigned
digit_value(char c)
{
	if (ascii_isdigit(c))
		return (unsigned)(c - '0');
	c = ascii_lower(c);
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 16;
}

static bool
span_number(struct span s, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = digit_value(s.p[i]);

		if (d >= base || d > max || v > (max - d) / base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return true;
}

bool
span_u64(struct span s, uint64_t max, uint64_t *out)
{
	return span_number(s, 10, max, out);
}

bool
span_u32(struct span s, uint32_t max, uint32_t *out)
{
	uint64_t v;

	if (!span_number(s, 10, max, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool
span_hex(struct span s, uint64_t max, uint64_t *out)
{
	return span_number(s, 16, max, out);
}

size_t
span_utf8(struct span s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char a = (unsigned char)s.p[0];
	size_t more = a < 0xc0 ? 0 : a < 0xe0 ? 1 : a < 0xf0 ? 2 : 3;

	*c = a < 0x80 ? a : a & (0x3fU >> more);
	for (size_t i = 1; i <= more; i++) {
		if (i >= s.n || ((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | ((unsigned char)s.p[i] & 0x3fU);
	}
	if ((a >= 0x80 && more == 0) || a >= 0xf8 || *c < least[more] ||
	    *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return more + 1;
}
