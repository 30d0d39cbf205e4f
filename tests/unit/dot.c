/* SPDX-License-Identifier: ISC */
/* The DATA machine against a slow, plain reading of RFC 5321 4.5.2. */
#include "dot.h"
#include "tap.h"

/*
 * Exact-fit memory, so that a sanitizer sees a read of one octet too much.
 */
static char *
copy_of(struct span s)
{
	char *p = malloc(s.n > 0 ? s.n : 1);

	if (p == NULL)
		abort();
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct outcome {
	bool ended;
	size_t used; /* octets up to and with the end */
	enum dot_fault why;
	char text[4096]; /* up to the first fault */
	size_t len;
};

/*
 * The reference: the text ends at the first CRLF . CRLF (the CRLF before it
 * may be that of the DATA command). What stands before is cut into lines at
 * CRLF; a dot that begins a line goes. A fault is an octet that is wrong
 * where it stands.
 */
static size_t
find_end(struct span s)
{
	if (span_starts(s, SPAN(".\r\n")))
		return 3;
	for (size_t i = 0; i + 5 <= s.n; i++) {
		if (memcmp(s.p + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	}
	return 0;
}

static enum dot_fault
fault_at(struct span s, size_t i)
{
	if (s.p[i] == '\0')
		return DOT_NUL;
	if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] != '\n')
		return DOT_BARE_CR;
	if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
		return DOT_BARE_LF;
	return DOT_FINE;
}

static void
reference(struct span s, struct outcome *o)
{
	size_t end = find_end(s);

	memset(o, 0, sizeof(*o));
	o->ended = end > 0;
	o->used = end > 0 ? end : s.n;
	s.n = end > 0 ? end - 3 : s.n;
	for (size_t i = 0; i < s.n && o->why == DOT_FINE; i++) {
		bool bol = i == 0 ||
		    (i >= 2 && memcmp(s.p + i - 2, "\r\n", 2) == 0);

		o->why = fault_at(s, i);
		if (o->why != DOT_FINE || (s.p[i] == '.' && bol))
			continue;
		/* A CR at the end of the input is not known yet. */
		if (s.p[i] == '\r' && i + 1 == s.n)
			continue;
		o->text[o->len++] = s.p[i];
	}
}

/* What the machine makes of it, handed over in pieces cut at these places. */
static bool
feed(struct dot *d, struct span piece, struct outcome *o)
{
	char *p = copy_of(piece);
	struct span in = { p, piece.n }, run;
	size_t used;
	bool bad = false;

	while (in.n > 0 && !o->ended) {
		switch (dot_push(d, in, &used, &run)) {
		case DOT_MORE:
			if (used != in.n)
				bad = true;
			break;
		case DOT_RUN:
			if (used == in.n)
				bad = true;
			break;
		case DOT_BAD:
			if (o->why != DOT_FINE || run.n > 0)
				bad = true;
			o->why = d->why;
			break;
		case DOT_END:
			o->ended = true;
			break;
		}
		if (run.n > 0)
			memcpy(o->text + o->len, run.p, run.n);
		o->len += run.n;
		o->used += used;
		in = span_skip(in, used);
	}
	free(p);
	if (d->why != o->why)
		bad = true;
	return !bad;
}

static bool
same(const struct outcome *a, const struct outcome *b)
{
	return a->ended == b->ended && a->used == b->used && a->why == b->why &&
	    a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static bool
cut_at(struct span s, size_t one, size_t two, const struct outcome *want)
{
	struct dot d = { 0 };
	struct outcome o = { 0 };
	bool fine = feed(&d, span_of(s.p, one), &o);

	if (fine && !o.ended)
		fine = feed(&d, span_of(s.p + one, two - one), &o);
	if (fine && !o.ended)
		fine = feed(&d, span_skip(s, two), &o);
	if (fine && same(&o, want))
		return true;
	note("cut at %zu and %zu: ended %d want %d, used %zu want %zu, "
	     "fault %d want %d",
	    one, two, o.ended, want->ended, o.used, want->used, (int)o.why,
	    (int)want->why);
	tap_show(" got", span_of(o.text, o.len));
	tap_show("want", span_of(want->text, want->len));
	return false;
}

/* Each way to cut it in three. */
static bool
agrees(struct span s)
{
	struct outcome want;

	reference(s, &want);
	for (size_t one = 0; one <= s.n; one++) {
		for (size_t two = one; two <= s.n; two++) {
			if (!cut_at(s, one, two, &want)) {
				tap_show("text", s);
				return false;
			}
		}
	}
	return true;
}

static const struct {
	const char *name;
	struct span text;
	bool ended;
	enum dot_fault why;
	struct span out;
} vectors[] = {
#define V(name, text, ended, why, out) \
	{ \
		name, { text, sizeof(text) - 1 }, ended, why, \
		{ \
			out, sizeof(out) - 1 \
		} \
	}
	V("empty", ".\r\n", true, DOT_FINE, ""),
	V("one line", "a\r\n.\r\n", true, DOT_FINE, "a\r\n"),
	V("stuffed", "..\r\n.a\r\n..b.\r\n.\r\n", true, DOT_FINE,
	    ".\r\na\r\n.b.\r\n"),
	V("dots inside", "a.\r\nb..c\r\n.\r\n", true, DOT_FINE,
	    "a.\r\nb..c\r\n"),
	V("empty lines", "\r\n\r\n.\r\n", true, DOT_FINE, "\r\n\r\n"),
	V("tabs and 8 bits", "\t\x80\xff\tabcdefgh\t\r\n.\r\n", true, DOT_FINE,
	    "\t\x80\xff\tabcdefgh\t\r\n"),
	V("commands behind", "a\r\n.\r\nQUIT\r\n", true, DOT_FINE, "a\r\n"),
	V("no end", "a\r\n", false, DOT_FINE, "a\r\n"),
	V("no end, CR", "a\r", false, DOT_FINE, "a"),
	V("no end, dot", "a\r\n.", false, DOT_FINE, "a\r\n"),
	V("LF.LF", "a\n.\nX\r\n.\r\n", true, DOT_BARE_LF, "a"),
	V("LF.CRLF", "a\n.\r\nX\r\n.\r\n", true, DOT_BARE_LF, "a"),
	V("CRLF.LF", "a\r\n.\nX\r\n.\r\n", true, DOT_BARE_LF, "a\r\n"),
	V("CR.CR", "a\r.\rX\r\n.\r\n", true, DOT_BARE_CR, "a"),
	V("CR.CRLF", "a\r.\r\nX\r\n.\r\n", true, DOT_BARE_CR, "a"),
	V("CRLF.CR", "a\r\n.\rX\r\n.\r\n", true, DOT_BARE_CR, "a\r\n"),
	V("CRCRLF", "a\r\r\nX\r\n.\r\n", true, DOT_BARE_CR, "a"),
	V("CRLF.CRCRLF", "a\r\n.\r\r\nX\r\n.\r\n", true, DOT_BARE_CR, "a\r\n"),
	V("LFCR.LFCR", "a\n\r.\n\rX\r\n.\r\n", true, DOT_BARE_LF, "a"),
	V("NUL", "a\0b\r\n.\r\n", true, DOT_NUL, "a"),
	V("CRLF.NULCRLF", "a\r\n.\0\r\nX\r\n.\r\n", true, DOT_NUL, "a\r\n"),
	V("CRNULLF.CRLF", "a\r\0\n.\r\nX\r\n.\r\n", true, DOT_BARE_CR, "a"),
	V("CRLFNUL.CRLF", "a\r\n\0.\r\nX\r\n.\r\n", true, DOT_NUL, "a\r\n"),
	V("LF first", "\n.\r\n", false, DOT_BARE_LF, ""),
	V("LF first, end", "\n.\r\n\r\n.\r\n", true, DOT_BARE_LF, ""),
	V("CR first", "\r.\r\n", false, DOT_BARE_CR, ""),
	V("smuggled after the end", "a\r\n.\r\n.\n.\r\n", true, DOT_FINE,
	    "a\r\n"),
	V("many faults", "\n\r\0\n\r\r\n.\r\n", true, DOT_BARE_LF, ""),
#undef V
};

static void
test_vectors(void)
{
	struct outcome o;

	for (size_t i = 0; i < nitems(vectors); i++) {
		reference(vectors[i].text, &o);
		ok(o.ended == vectors[i].ended && o.why == vectors[i].why &&
			span_eq(span_of(o.text, o.len), vectors[i].out),
		    "%s: the reference says so", vectors[i].name);
		ok(agrees(vectors[i].text), "%s: however it is cut",
		    vectors[i].name);
	}
}

/* Every text of up to eight octets of those that matter. */
static void
test_all_short(void)
{
	static const char letters[] = { '\r', '\n', '.', 'x', '\0' };
	char text[8];
	bool good = true;

	for (size_t n = 1; n <= sizeof(text); n++) {
		size_t texts = 1;

		for (size_t i = 0; i < n; i++)
			texts *= sizeof(letters);
		for (size_t t = 0; t < texts && good; t++) {
			struct outcome want;
			size_t rest = t;

			for (size_t i = 0; i < n; i++) {
				text[i] = letters[rest % sizeof(letters)];
				rest /= sizeof(letters);
			}
			reference(span_of(text, n), &want);
			good = cut_at(span_of(text, n), 0, 0, &want) &&
			    cut_at(span_of(text, n), t % n, n, &want);
		}
	}
	ok(good, "every text of eight octets");
}

/* Long lines, and a fault at each place of a word of the fast scan. */
static void
test_long(void)
{
	char text[64];
	bool good = true;

	for (size_t i = 0; i < 40; i++) {
		for (size_t c = 0; c < 3; c++) {
			struct outcome want;

			memset(text, 'x', sizeof(text));
			text[i / 2] = '\t';
			text[i] = "\r\n\0"[c];
			memcpy(text + 59, "\r\n.\r\n", 5);
			reference(span_of(text, sizeof(text)), &want);
			good = good &&
			    cut_at(span_of(text, sizeof(text)), 0, i, &want);
		}
	}
	ok(good, "a fault at each place of a long line");
}

static void
test_views(void)
{
	const struct span in = SPAN("a\r\nb\r\n\r\nc");
	struct dot d = { 0 };
	struct span run;
	size_t used;

	ok(dot_push(&d, in, &used, &run) == DOT_MORE && run.p == in.p &&
		run.n == in.n,
	    "many lines are one view");
}

int
main(void)
{
	test_vectors();
	test_all_short();
	test_long();
	test_views();
	return done();
}
