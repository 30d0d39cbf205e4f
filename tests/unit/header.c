/* SPDX-License-Identifier: ISC */
/* The header machine: its fields, and that no cut changes them. */
#include "header.h"
#include "tap.h"

/*
 * Writes what happens as text: "name=value;" for each field, then "|" and
 * the body, with "!" before it when the empty line was seen.
 */
static void
describe(struct sbuf *b, struct header *h)
{
	sbuf_addspan(b, header_name(h));
	sbuf_putc(b, '=');
	sbuf_addspan(b, header_value(h));
	sbuf_addf(b, "/%u%s;", (unsigned)h->length, h->cut ? "cut" : "");
}

static void
describe_end(struct sbuf *b, const struct header *h, struct span body)
{
	sbuf_adds(b, h->ended ? "!|" : "|");
	sbuf_addspan(b, sbuf_span(&h->field));
	sbuf_addspan(b, body);
}

/* Pushes one piece, in memory that ends where it ends. */
static void
feed(struct header *h, struct sbuf *b, struct span piece)
{
	char *p = malloc(piece.n > 0 ? piece.n : 1);
	struct span in = { p, piece.n };
	size_t used;
	bool was_done = h->done;

	if (p == NULL)
		abort();
	if (piece.n > 0)
		memcpy(p, piece.p, piece.n);
	for (;;) {
		enum header_event event = header_push(h, in, &used);

		in = span_skip(in, used);
		if (event == HEADER_MORE)
			break;
		if (event == HEADER_FIELD) {
			describe(b, h);
			continue;
		}
		if (was_done)
			sbuf_addspan(b, in);
		else
			describe_end(b, h, in);
		break;
	}
	free(p);
}

static void
finish(struct header *h, struct sbuf *b)
{
	if (h->done)
		return;
	if (header_finish(h) == HEADER_FIELD) {
		describe(b, h);
		if (header_finish(h) != HEADER_END)
			sbuf_adds(b, "(finish gave two fields)");
		sbuf_adds(b, "|");
	} else {
		describe_end(b, h, span_of("", 0));
	}
	if (header_finish(h) != HEADER_END)
		sbuf_adds(b, "(no end after the end)");
}

static void
run(struct sbuf *b, struct span s, size_t one, size_t two)
{
	struct header h;

	sbuf_reset(b);
	header_init(&h);
	feed(&h, b, span_of(s.p, one));
	feed(&h, b, span_of(s.p + one, two - one));
	feed(&h, b, span_skip(s, two));
	finish(&h, b);
	header_free(&h);
}

static bool
same_for_each_cut(struct span s, struct span want)
{
	struct sbuf b;
	bool good = true;

	sbuf_init(&b, 1 << 20);
	for (size_t one = 0; one <= s.n && good; one++) {
		for (size_t two = one; two <= s.n && good; two++) {
			run(&b, s, one, two);
			good = !b.bad && span_eq(sbuf_span(&b), want);
			if (!good) {
				note("cut at %zu and %zu", one, two);
				tap_show(" got", sbuf_span(&b));
				tap_show("want", want);
			}
		}
	}
	sbuf_free(&b);
	return good;
}

static const struct {
	const char *name, *text, *want;
} cases[] = {
	{ "nothing", "", "|" },
	{ "no header", "\r\nbody", "!|body" },
	{ "one", "A: b\r\n\r\nbody", "A=b/6;!|body" },
	{ "LF", "A: b\nC: d\n\nbody", "A=b/5;C=d/5;!|body" },
	{ "no body", "A: b\r\n", "A=b/6;|" },
	{ "no line end", "A: b", "A=b/4;|" },
	{ "CR at the end", "A: b\r", "A=b/5;|" },
	{ "folded", "A: b\r\n\tc\r\n  d\r\nE: f\r\n\r\n",
	    "A=b\tc  d/15;E=f/6;!|" },
	{ "folded at once", "A:\r\n b\r\n\r\nx", "A=b/8;!|x" },
	{ "blank line in the fold", "A: b\r\n \r\n\r\nx", "A=b/9;!|x" },
	{ "empty value", "A:\r\nB: \r\n\r\n", "A=/4;B=/5;!|" },
	{ "colons", "A:b:c\r\n\r\n", "A=b:c/7;!|" },
	{ "blank before the colon", "A \t: b\r\n\r\n", "A=b/8;!|" },
	{ "odd names", "!#~: b\r\n\r\n", "!#~=b/8;!|" },
	{ "no colon", "A: b\r\nbody\r\n", "A=b/6;|body\r\n" },
	{ "no colon, first", "body: no\001\r\nbo dy: x\r\n",
	    "body=no\001/11;|bo dy: x\r\n" },
	{ "blank in the name", "A: b\r\nFrom x: y\r\n\r\n",
	    "A=b/6;|From x: y\r\n\r\n" },
	{ "blank first", " A: b\r\n", "| A: b\r\n" },
	{ "colon first", "A: b\r\n: c\r\n", "A=b/6;|: c\r\n" },
	{ "colon first, then another", ":b: c\r\n", "|:b: c\r\n" },
	{ "blank for a name", " : b\r\n", "| : b\r\n" },
	{ "control for a name", "\001: b\r\n", "|\001: b\r\n" },
	{ "DEL in the name", "C\177: d\r\n", "|C\177: d\r\n" },
	{ "one letter", "A: b\nC\nD: e\n", "A=b/5;|C\nD: e\n" },
	{ "control in the name", "A: b\r\nC\001: d\r\n",
	    "A=b/6;|C\001: d\r\n" },
	{ "8 bits in the name", "A: b\r\nC\xc3\xa9: d\r\n",
	    "A=b/6;|C\xc3\xa9: d\r\n" },
	{ "8 bits in the value", "A: \xc3\xa9\r\n\r\n", "A=\xc3\xa9/7;!|" },
	{ "CR that is no line end", "A: b\rc\r\n\rB: c\r\n",
	    "A=b\rc/8;|\rB: c\r\n" },
	{ "CR alone", "\r", "|\r" },
	{ "unfinished name", "A: b\r\nSubj", "A=b/6;|Subj" },
	{ "mbox line", "From x\r\nA: b\r\n\r\n", "|From x\r\nA: b\r\n\r\n" },
};

static void
test_cases(void)
{
	for (size_t i = 0; i < nitems(cases); i++)
		ok(same_for_each_cut(span_str(cases[i].text),
		       span_str(cases[i].want)),
		    "%s", cases[i].name);
}

/* What one push has taken of a line that is no field, it gives back. */
static void
test_given_back(void)
{
	const struct span text = SPAN("A: b\r\nno field\r\n");
	struct header h;
	size_t used;

	header_init(&h);
	ok(header_push(&h, text, &used) == HEADER_FIELD && used == 6,
	    "a field is taken");
	ok(header_push(&h, span_skip(text, 6), &used) == HEADER_END &&
		used == 0 && h.field.len == 0 && h.done && !h.ended,
	    "a line that is none is not");
	header_free(&h);
	header_init(&h);
	ok(header_push(&h, span_of("no", 2), &used) == HEADER_MORE &&
		header_push(&h, span_of(" fi", 3), &used) == HEADER_END &&
		used == 0,
	    "nor the rest of it");
	is_span(sbuf_span(&h.field), SPAN("no"), "what was taken is kept");
	header_free(&h);
	header_init(&h);
	ok(!h.done && header_finish(&h) == HEADER_END && h.done,
	    "the end of all is the end");
	header_free(&h);
}

/* The longest field that is kept whole, and one octet more. */
static void
test_limit(void)
{
	static char text[HEADER_KEPT + 2];
	struct header h;
	size_t used;

	for (size_t more = 0; more < 2; more++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, "A:", 2);
		text[HEADER_KEPT - 1 + more] = '\n';
		text[HEADER_KEPT + more] = 'B';
		header_init(&h);
		ok(header_push(&h, span_of(text, HEADER_KEPT + 1 + more),
		       &used) == HEADER_FIELD &&
			h.cut == (more == 1) && h.length == HEADER_KEPT + more,
		    "%zu octets are %s", (size_t)h.length,
		    h.cut ? "cut" : "kept");
		header_free(&h);
	}
}

/* A field of n octets of value, then another one. */
static void
test_long_value(void)
{
	struct sbuf text, want, got;
	size_t n = 3 * HEADER_KEPT;

	sbuf_init(&text, 1 << 20);
	sbuf_init(&want, 1 << 20);
	sbuf_init(&got, 1 << 20);
	sbuf_adds(&text, "A:");
	sbuf_adds(&want, "A=");
	for (size_t i = 0; i < n; i++) {
		sbuf_putc(&text, 'x');
		if (i < HEADER_KEPT - 2)
			sbuf_putc(&want, 'x');
	}
	sbuf_adds(&text, "\r\nB: c\r\n\r\nx");
	sbuf_addf(&want, "/%zucut;B=c/6;!|x", n + 4);
	for (size_t at = 0; at < text.len; at += 997) {
		run(&got, sbuf_span(&text), at / 2, at);
		if (!span_eq(sbuf_span(&got), sbuf_span(&want)))
			break;
	}
	is_span(sbuf_span(&got), sbuf_span(&want), "a long value is cut");
	sbuf_free(&text);
	sbuf_free(&want);
	sbuf_free(&got);
}

/* A name of n octets: one too long is body, to the last octet. */
static bool
name_is_field(size_t n)
{
	struct sbuf text, got;
	bool field, whole;

	sbuf_init(&text, 1 << 20);
	sbuf_init(&got, 1 << 20);
	for (size_t i = 0; i < n; i++)
		sbuf_putc(&text, 'n');
	sbuf_adds(&text, ": v\r\n");
	run(&got, sbuf_span(&text), n / 3, n / 2);
	field = got.s[0] == 'n';
	whole = span_eq(span_skip(sbuf_span(&got), 1), sbuf_span(&text));
	if (!field && !whole)
		ok(false, "a long line without a colon is body, whole");
	sbuf_free(&text);
	sbuf_free(&got);
	return field;
}

int
main(void)
{
	test_cases();
	test_given_back();
	test_limit();
	test_long_value();
	ok(name_is_field(HEADER_KEPT - 1), "the longest name");
	ok(!name_is_field(HEADER_KEPT), "a name that is too long");
	ok(!name_is_field(3 * HEADER_KEPT), "one that is much too long");
	return done();
}
