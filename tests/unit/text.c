/* SPDX-License-Identifier: ISC */
/* Text from programs into text for the queue, however it is cut. */
#include "tap.h"

#include "../../smtpd-queue/text.h"

struct text_case {
	struct span in;
	bool dots; /* are text, as with -i */
	enum text_event end;
	struct span want; /* of MORE and END */
};

#define CASE(in, dots, end, want) \
	{ \
		SPAN(in), dots, end, SPAN(want) \
	}

static const struct text_case cases[] = {
	CASE("", false, TEXT_MORE, ""),
	CASE("\n", false, TEXT_MORE, "\r\n"),
	CASE("a", false, TEXT_MORE, "a\r\n"),
	CASE("a\nb\r\nc\n", false, TEXT_MORE, "a\r\nb\r\nc\r\n"),
	CASE("a\n.\nb\n", false, TEXT_END, "a\r\n"),
	CASE("a\r\n.\r\nb", false, TEXT_END, "a\r\n"),
	CASE(".\n", false, TEXT_END, ""),
	CASE(".", false, TEXT_END, ""),
	CASE(".", true, TEXT_MORE, ".\r\n"),
	CASE("a\n.\n..\nb\n", true, TEXT_MORE, "a\r\n.\r\n..\r\nb\r\n"),
	CASE("..\n.a\n. \n", false, TEXT_MORE, "..\r\n.a\r\n. \r\n"),
	CASE("a.\n", false, TEXT_MORE, "a.\r\n"),
	CASE("a\rb", false, TEXT_BARE_CR, ""),
	CASE("a\r", false, TEXT_BARE_CR, ""),
	CASE("\r\r\n", false, TEXT_BARE_CR, ""),
	CASE(".\r", false, TEXT_BARE_CR, ""),
	CASE(".\r.\n", false, TEXT_BARE_CR, ""),
	CASE("a\0b", false, TEXT_NUL, ""),
	CASE(".\0", false, TEXT_NUL, ""),
	CASE("\x80\xff\n", false, TEXT_MORE, "\x80\xff\r\n"),
};

/* Pushes it in pieces of so many octets. */
static bool
agrees(const struct text_case *c, size_t piece)
{
	struct text t = { .dot_ends = !c->dots };
	enum text_event e = TEXT_MORE;
	struct span rest = c->in;
	struct sbuf out;
	bool right;

	sbuf_init(&out, 4096);
	while (rest.n > 0 && e == TEXT_MORE) {
		size_t n = rest.n < piece ? rest.n : piece;

		e = text_push(&t, span_of(rest.p, n), &out);
		rest = span_skip(rest, n);
	}
	if (e == TEXT_MORE)
		e = text_finish(&t, &out);
	right = e == c->end &&
	    (e == TEXT_BARE_CR || e == TEXT_NUL ||
		span_eq(sbuf_span(&out), c->want));
	sbuf_free(&out);
	return right;
}

int
main(void)
{
	for (size_t i = 0; i < nitems(cases); i++)
		for (size_t piece = 1; piece <= cases[i].in.n + 1; piece++)
			ok(agrees(&cases[i], piece),
			    "text %zu in pieces of %zu", i, piece);
	return done();
}
