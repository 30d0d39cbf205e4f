/* SPDX-License-Identifier: ISC */
/* Strings: the limit holds, failure sticks, nothing is half added. */
#include "sbuf.h"
#include "tap.h"

static void
grows_to_its_limit(void)
{
	struct sbuf b;

	sbuf_init(&b, 5);
	is_str(b.s, "", "empty at first");
	is_num((long long)b.cap, 0, "without memory");
	sbuf_adds(&b, "");
	is_num((long long)b.cap, 0, "nothing costs nothing");
	sbuf_adds(&b, "abc");
	sbuf_putc(&b, 'd');
	is_span(sbuf_span(&b), SPAN("abcd"), "appended");
	sbuf_adds(&b, "ef");
	ok(b.bad, "what does not fit is an error");
	is_str(b.s, "abcd", "and nothing of it is added");
	sbuf_putc(&b, 'e');
	is_str(b.s, "abcd", "nor of what would fit later");
	sbuf_reset(&b);
	ok(!b.bad && b.len == 0 && b.s[0] == '\0', "reset forgives");
	sbuf_adds(&b, "12345");
	ok(!b.bad && b.len == 5, "exactly the limit fits");
	sbuf_truncate(&b, 2);
	is_str(b.s, "12", "truncated");
	sbuf_truncate(&b, 4);
	is_str(b.s, "12", "truncating does not lengthen");
	sbuf_add(&b, "\0x", 2);
	is_span(sbuf_span(&b), span_of("12\0x", 4), "a NUL is an octet");
	sbuf_free(&b);
	is_str(b.s, "", "usable when freed");
	sbuf_free(&b);
	sbuf_adds(&b, "123456");
	ok(b.bad, "with the same limit");
	sbuf_free(&b);
}

static void
formats(void)
{
	struct sbuf b;

	sbuf_init(&b, 300);
	sbuf_addf(&b, "%s=%d", "x", 42);
	is_str(b.s, "x=42", "formatted");
	sbuf_addf(&b, "%250d", 1);
	is_num((long long)b.len, 254, "formatted beyond what was allocated");
	sbuf_addf(&b, "%47d", 1);
	ok(b.bad && b.len == 254, "formatted beyond the limit");
	sbuf_free(&b);
	sbuf_init(&b, 3);
	sbuf_addf(&b, "%s", "");
	ok(!b.bad && b.s[0] == '\0', "an empty format");
	sbuf_addf(&b, "%s", "abc");
	is_str(b.s, "abc", "a format of just the limit");
	sbuf_free(&b);
}

static void
limits(void)
{
	struct sbuf b;

	sbuf_init(&b, 0);
	sbuf_reset(&b);
	sbuf_putc(&b, 'x');
	ok(b.bad && b.len == 0, "a limit of nothing");
	sbuf_free(&b);
	sbuf_init(&b, SIZE_MAX);
	sbuf_adds(&b, "x");
	ok(!b.bad && b.len == 1, "the largest limit");
	sbuf_free(&b);
	sbuf_init(&b, 1000000);
	for (int i = 0; i < 1000001; i++)
		sbuf_putc(&b, 'x');
	ok(b.bad && b.len == 1000000, "octet by octet to a million");
	sbuf_free(&b);
}

int
main(void)
{
	grows_to_its_limit();
	formats();
	limits();
	return done();
}
