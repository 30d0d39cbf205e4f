/* SPDX-License-Identifier: ISC */
/* Strangers' text in a notice, and the status codes that it gives. */
#include "../../smtpd-send/bounce/notice.h"
#include "tap.h"

static void
cleans(struct span in, enum notice_charset charset, struct span want,
    const char *name)
{
	struct sbuf b;

	sbuf_init(&b, 1 << 16);
	notice_clean(&b, in, charset);
	is_span(sbuf_span(&b), want, "clean: %s", name);
	sbuf_free(&b);
}

static void
test_clean(void)
{
	cleans(SPAN("550 no\x7f\r\n\0x"), NOTICE_ASCII,
	    SPAN("550 no\\x7F\\x0D\\x0A\\x00x"), "controls");
	cleans(SPAN("\xc3\xbc"
		    "ber"),
	    NOTICE_ASCII, SPAN("\\xC3\\xBCber"), "8 bits in ASCII");
	cleans(SPAN("\xc3\xbc"
		    "ber \xe2\x82\xac \xf0\x9f\x93\xa7"),
	    NOTICE_UTF8,
	    SPAN("\xc3\xbc"
		 "ber \xe2\x82\xac \xf0\x9f\x93\xa7"),
	    "UTF-8 stays");
	cleans(SPAN("\xc3"), NOTICE_UTF8, SPAN("\\xC3"), "cut short");
	cleans(SPAN("\xe2\x82"), NOTICE_UTF8, SPAN("\\xE2\\x82"), "cut, of 3");
	cleans(SPAN("\xf0\x9f\x93"), NOTICE_UTF8, SPAN("\\xF0\\x9F\\x93"),
	    "cut, of 4");
	cleans(SPAN("\xc0\x8a"), NOTICE_UTF8, SPAN("\\xC0\\x8A"),
	    "a line feed in two octets");
	cleans(SPAN("\xe0\x80\x8a"), NOTICE_UTF8, SPAN("\\xE0\\x80\\x8A"),
	    "a line feed in three");
	cleans(SPAN("\xf0\x80\x80\x8a"), NOTICE_UTF8,
	    SPAN("\\xF0\\x80\\x80\\x8A"), "a line feed in four");
	cleans(SPAN("\xed\xa0\x80"), NOTICE_UTF8, SPAN("\\xED\\xA0\\x80"),
	    "a surrogate");
	cleans(SPAN("\xf4\x90\x80\x80"), NOTICE_UTF8,
	    SPAN("\\xF4\\x90\\x80\\x80"), "beyond Unicode");
	cleans(SPAN("\xc2\x9b"
		    "2J"),
	    NOTICE_UTF8, SPAN("\\xC2\\x9B2J"), "a terminal's CSI");
}

static void
folds(struct span in, struct span want, const char *name)
{
	struct sbuf b;

	sbuf_init(&b, 1 << 16);
	notice_fold(&b, in, NOTICE_ASCII);
	is_span(sbuf_span(&b), want, "fold: %s", name);
	sbuf_free(&b);
}

static void
test_fold(void)
{
	char in[2000], cut[sizeof(in)];
	struct sbuf b;

	folds(SPAN(""), SPAN("\r\n"), "nothing");
	folds(SPAN("550-a\n550 b"), SPAN("550-a\r\n 550 b\r\n"), "two lines");
	folds(SPAN("550-a\n\n  \n550 b\n"), SPAN("550-a\r\n 550 b\r\n"),
	    "empty ones");
	folds(SPAN("\nA: b"), SPAN("A: b\r\n"), "an empty first one");
	folds(SPAN("a\r\nAction: delivered"),
	    SPAN("a\\x0D\r\n Action: delivered\r\n"), "a field of his");
	memset(in, 'x', sizeof(in));
	sbuf_init(&b, 1 << 16);
	notice_fold(&b, span_of(in, NOTICE_LINE), NOTICE_ASCII);
	is_num((long long)b.len, NOTICE_LINE + 2,
	    "fold: a line that just fits");
	sbuf_reset(&b);
	notice_fold(&b, span_of(in, NOTICE_LINE + 1), NOTICE_ASCII);
	is_num((long long)b.len, NOTICE_LINE + 1 + 3 + 2, "fold: one more");
	memset(cut, 'x', sizeof(cut));
	memcpy(cut + NOTICE_LINE - 1, "\xc3\xbc", 2);
	sbuf_reset(&b);
	notice_fold(&b, span_of(cut, 1000), NOTICE_UTF8);
	ok(memcmp(b.s + NOTICE_LINE - 1, "\r\n \xc3\xbc", 5) == 0,
	    "fold: no character is cut");
	sbuf_free(&b);
}

static void
test_plain(void)
{
	char long_line[1001];

	ok(notice_is_plain(SPAN("")), "plain: nothing");
	ok(notice_is_plain(SPAN("a\tb\r\n\r\n")), "plain: lines");
	ok(!notice_is_plain(SPAN("a")), "plain: no end");
	ok(!notice_is_plain(SPAN("a\nb\r\n")), "plain: a bare LF");
	ok(!notice_is_plain(SPAN("a\rb\r\n")), "plain: a bare CR");
	ok(!notice_is_plain(SPAN("a\x80\r\n")), "plain: 8 bits");
	ok(!notice_is_plain(SPAN("a\0\r\n")), "plain: NUL");
	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line + 998, "\r\n", 2);
	ok(notice_is_plain(span_of(long_line, 1000)), "plain: 998 octets");
	memcpy(long_line + 998, "x\r\n", 3);
	ok(!notice_is_plain(span_of(long_line, 1001)), "plain: 999 octets");
}

static void
encodes(struct span in, struct span want, const char *name)
{
	struct sbuf b;

	sbuf_init(&b, 1 << 16);
	notice_quoted_printable(&b, in);
	is_span(sbuf_span(&b), want, "encode: %s", name);
	sbuf_free(&b);
}

static void
test_quoted_printable(void)
{
	char in[76], want[80];

	encodes(SPAN("a=b\xfc\r\n"), SPAN("a=3Db=FC\r\n"), "the signs");
	encodes(SPAN("a \r\nb\t\r\nc "), SPAN("a=20\r\nb=09\r\nc=20"),
	    "blanks at an end");
	encodes(SPAN("a\nb\rc"), SPAN("a=0Ab=0Dc"), "bare CR and LF");
	memset(in, 'x', sizeof(in));
	memset(want, 'x', sizeof(want));
	encodes(span_of(in, 75), span_of(want, 75), "75 octets");
	memcpy(want + 75, "=\r\nx", 4);
	encodes(span_of(in, 76), span_of(want, 79), "76 octets");
}

static void
gives(enum notice_action action, const char *text, const char *want)
{
	const struct notice_rcpt r = { .action = action,
		.text = span_str(text) };
	struct sbuf b;

	sbuf_init(&b, 100);
	notice_status(&b, &r);
	is_span(sbuf_span(&b), span_str(want), "status: '%.*s'",
	    (int)span_find(span_str(text), '\n'), text);
	sbuf_free(&b);
}

static void
test_status(void)
{
	gives(NOTICE_REFUSED, "550 5.1.1 nobody", "5.1.1");
	gives(NOTICE_REFUSED, "550-5.1.1 nobody\n550 5.1.1 here", "5.1.1");
	gives(NOTICE_REFUSED, "550 nobody", "5.0.0");
	gives(NOTICE_REFUSED, "550\n5.1.1 x", "5.0.0");
	gives(NOTICE_REFUSED, "550 4.1.1 x", "5.0.0");
	gives(NOTICE_REFUSED, "550 5.1.111 x", "5.1.111");
	gives(NOTICE_REFUSED, "550 5.1.1111 x", "5.0.0");
	gives(NOTICE_REFUSED, "550 5..1 x", "5.0.0");
	gives(NOTICE_REFUSED, "550 5.1. x", "5.0.0");
	gives(NOTICE_REFUSED, "550 5.1.1x x", "5.0.0");
	gives(NOTICE_REFUSED, "550 5.1 x", "5.0.0");
	gives(NOTICE_REFUSED, "", "5.0.0");
	gives(NOTICE_EXPIRED, "451 4.3.0 x", "4.4.7");
	gives(NOTICE_ORDERED, "451 4.3.0 x", "5.0.0");
	gives(NOTICE_WAITS, "451 4.3.0 x", "4.3.0");
	gives(NOTICE_WAITS, "451 x", "4.0.0");
}

int
main(void)
{
	test_clean();
	test_fold();
	test_plain();
	test_quoted_printable();
	test_status();
	return done();
}
