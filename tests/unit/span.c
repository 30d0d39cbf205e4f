/* SPDX-License-Identifier: ISC */
/* Spans: comparing, cutting, strict numbers. */
#include "tap.h"

static void
compares(void)
{
	struct span nothing = { NULL, 0 };

	ok(span_eq(nothing, SPAN("")), "no memory is as empty as \"\"");
	ok(span_eq(SPAN("aB"), SPAN("aB")), "equal");
	ok(!span_eq(SPAN("aB"), SPAN("ab")), "case differs");
	ok(span_ieq(SPAN("aB-9"), SPAN("Ab-9")), "folded");
	ok(!span_ieq(SPAN("a"), SPAN("ab")), "a prefix is not equal");
	ok(!span_ieq(SPAN("[@"), SPAN("{`")), "only letters are folded");
	ok(!span_ieq(SPAN("\xc4"), SPAN("\xe4")), "no folding above ASCII");
	ok(span_starts(SPAN("abc"), SPAN("ab")), "starts");
	ok(span_starts(SPAN("abc"), nothing), "everything starts empty");
	ok(!span_starts(SPAN("a"), SPAN("ab")), "shorter than its prefix");
	ok(span_istarts(SPAN("ABc"), SPAN("ab")), "starts, folded");
	ok(!span_istarts(SPAN("b"), SPAN("a")), "does not start");
}

static void
cuts(void)
{
	struct span nothing = { NULL, 0 }, rest = SPAN("a:b::c");

	is_num((long long)span_find(rest, ':'), 1, "first");
	is_num((long long)span_rfind(rest, ':'), 4, "last");
	is_num((long long)span_find(rest, 'x'), 6, "not found");
	is_num((long long)span_rfind(rest, 'x'), 6, "not found from behind");
	is_num((long long)span_find(nothing, 'x'), 0, "not in nothing");
	is_span(span_cut(&rest, ':'), SPAN("a"), "one field");
	is_span(span_cut(&rest, ':'), SPAN("b"), "the next");
	is_span(span_cut(&rest, ':'), SPAN(""), "an empty one");
	is_span(span_cut(&rest, ':'), SPAN("c"), "the last");
	is_num((long long)rest.n, 0, "nothing is left");
	is_span(span_cut(&rest, ':'), SPAN(""), "and nothing comes");
	is_span(span_skip(SPAN("abc"), 2), SPAN("c"), "skip");
	is_span(span_skip(SPAN("abc"), 4), SPAN(""), "skip beyond the end");
	is_span(span_skip(nothing, 4), SPAN(""), "skip of nothing");
	is_span(span_trim(SPAN(" \ta b\t ")), SPAN("a b"), "trim");
	is_span(span_trim(SPAN(" \t ")), SPAN(""), "trim blanks alone");
	rest = SPAN("  one\ttwo  ");
	is_span(span_word(&rest), SPAN("one"), "a word");
	is_span(span_word(&rest), SPAN("two"), "another");
	is_span(span_word(&rest), SPAN(""), "no more");
}

static void
numbers(void)
{
	static const struct {
		const char *text;
		uint64_t max, want;
		bool good;
	} t[] = {
		{ "0", 0, 0, true },
		{ "1", 0, 0, false },
		{ "007", 7, 7, true },
		{ "", 9, 0, false },
		{ "-1", 9, 0, false },
		{ "+1", 9, 0, false },
		{ " 1", 9, 0, false },
		{ "1 ", 9, 0, false },
		{ "1a", 99, 0, false },
		{ "100", 100, 100, true },
		{ "101", 100, 0, false },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "99999999999999999999999", UINT64_MAX, 0, false },
	};
	uint64_t v;
	uint32_t w = 77;

	for (size_t i = 0; i < nitems(t); i++) {
		v = 4711;
		ok(span_u64(span_str(t[i].text), t[i].max, &v) == t[i].good &&
			v == (t[i].good ? t[i].want : 4711),
		    "number \"%s\"", t[i].text);
	}
	ok(!span_u64(span_of("1\0", 2), 99, &v), "a NUL is no digit");
	ok(span_u32(SPAN("4294967295"), UINT32_MAX, &w) && w == UINT32_MAX,
	    "the largest of 32 bits");
	w = 77;
	ok(!span_u32(SPAN("4294967296"), UINT32_MAX, &w) && w == 77,
	    "one more is refused and nothing is set");
	ok(span_hex(SPAN("fFfFfFfFfFfFfFfF"), UINT64_MAX, &v) &&
		v == UINT64_MAX,
	    "hexadecimal, both cases");
	ok(!span_hex(SPAN("10000000000000000"), UINT64_MAX, &v), "too many");
	ok(!span_hex(SPAN("0x1"), UINT64_MAX, &v), "no prefix");
	ok(!span_hex(SPAN("g"), UINT64_MAX, &v), "g is no digit");
}

static void
characters(void)
{
	static const struct {
		const char *text;
		size_t n;
		uint32_t c;
	} t[] = {
		{ "a\xcc", 1, 'a' },
		{ "\x7f", 1, 0x7f },
		{ "\x80", 0, 0 },
		{ "\xc1\xbf", 0, 0 },
		{ "\xc2\x80", 2, 0x80 },
		{ "\xc3\xbc"
		  "x",
		    2, 0xfc },
		{ "\xc3", 0, 0 },
		{ "\xe0\x9f\xbf", 0, 0 },
		{ "\xe0\xa0\x80", 3, 0x800 },
		{ "\xed\x9f\xbf", 3, 0xd7ff },
		{ "\xed\xa0\x80", 0, 0 },
		{ "\xee\x80\x80", 3, 0xe000 },
		{ "\xef\xbf", 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 0, 0 },
		{ "\xf0\x9f\x93\xa7", 4, 0x1f4e7 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
		{ "\xf4\x90\x80\x80", 0, 0 },
		{ "\xf8\x90\x80\x80", 0, 0 },
		{ "\xff\xbf\xbf\xbf", 0, 0 },
	};
	uint32_t c;

	for (size_t i = 0; i < nitems(t); i++) {
		size_t n = span_utf8(span_str(t[i].text), &c);

		ok(n == t[i].n && (n == 0 || c == t[i].c), "character %zu", i);
	}
}

int
main(void)
{
	compares();
	cuts();
	numbers();
	characters();
	return done();
}
