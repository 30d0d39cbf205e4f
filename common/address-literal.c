/* SPDX-License-Identifier: ISC */
/* Address literals, to the letter of RFC 5321 4.1.3. */
#include "address.h"

/* Snum: 1*3DIGIT, 0 to 255. Four of them. */
static bool
is_v4(struct span s)
{
	uint32_t number;
	struct span snum;

	for (int i = 0; i < 4; i++) {
		snum = i < 3 ? span_cut(&s, '.') : s;
		if (snum.n > 3 || !span_u32(snum, 255, &number))
			return false;
	}
	return true;
}

/*
 * Counts the 16-bit groups of g *(":" g), the last of which may be an IPv4
 * address, worth two. -1 when it is not that.
 */
static int
groups(struct span s)
{
	uint64_t number;
	struct span g;
	int n = 0;

	if (s.n == 0)
		return 0;
	for (;;) {
		size_t colon = span_find(s, ':');

		g = span_of(s.p, colon);
		if (colon == s.n && is_v4(g))
			return n + 2;
		if (g.n > 4 || !span_hex(g, 0xffff, &number))
			return -1;
		n++;
		if (colon == s.n)
			return n;
		s = span_skip(s, colon + 1);
	}
}

/* Offset of the first "::", or s.n. */
static size_t
find_gap(struct span s)
{
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (s.p[i] == ':' && s.p[i + 1] == ':')
			return i;
	}
	return s.n;
}

/* "::" stands for two groups or more, so at most six are left. */
static bool
is_v6(struct span s)
{
	size_t gap = find_gap(s);
	int before = groups(span_of(s.p, gap)), after;

	if (gap == s.n)
		return before == 8;
	/* An IPv4 address comes last or not at all. */
	if (before < 0 || span_find(span_of(s.p, gap), '.') < gap)
		return false;
	after = groups(span_skip(s, gap + 2));
	return after >= 0 && before + after <= 6;
}

bool
address_is_literal(struct span s)
{
	const struct span tag = SPAN("IPv6:");

	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	s = span_of(s.p + 1, s.n - 2);
	/* No other tag was ever registered: General-address-literal is none. */
	return span_istarts(s, tag) ? is_v6(span_skip(s, tag.n)) : is_v4(s);
}
