/* SPDX-License-Identifier: ISC */
/* Text from programs into text for the queue, however it is cut. */
#include "tap.h"

#include "../../smtpd-queue/sendmail-letter.h"

struct text_case {
	struct span in;
	bool dots; /* are text, as with -i */
	enum letter_result end;
	struct span want; /* of MORE and END */
};

#define CASE(in, dots, end, want) \
	{ \
		SPAN(in), dots, end, SPAN(want) \
	}

static const struct text_case cases[] = {
	CASE("", false, LETTER_OK, ""),
	CASE("\n", false, LETTER_OK, "\r\n"),
	CASE("a", false, LETTER_OK, "a\r\n"),
	CASE("a\nb\r\nc\n", false, LETTER_OK, "a\r\nb\r\nc\r\n"),
	CASE("a\n.\nb\n", false, LETTER_END, "a\r\n"),
	CASE("a\r\n.\r\nb", false, LETTER_END, "a\r\n"),
	CASE(".\n", false, LETTER_END, ""),
	CASE(".", false, LETTER_END, ""),
	CASE(".", true, LETTER_OK, ".\r\n"),
	CASE("a\n.\n..\nb\n", true, LETTER_OK, "a\r\n.\r\n..\r\nb\r\n"),
	CASE("..\n.a\n. \n", false, LETTER_OK, "..\r\n.a\r\n. \r\n"),
	CASE("a.\n", false, LETTER_OK, "a.\r\n"),
	CASE("a\rb", false, LETTER_BARE_CR, ""),
	CASE("a\r", false, LETTER_BARE_CR, ""),
	CASE("\r\r\n", false, LETTER_BARE_CR, ""),
	CASE(".\r", false, LETTER_BARE_CR, ""),
	CASE(".\r.\n", false, LETTER_BARE_CR, ""),
	CASE("a\0b", false, LETTER_NUL, ""),
	CASE(".\0", false, LETTER_NUL, ""),
	CASE("\x80\xff\n", false, LETTER_OK, "\x80\xff\r\n"),
};

/* Pushes it in pieces of so many octets. */
static bool
agrees(const struct text_case *c, size_t piece)
{
	struct letter_lines t = { .dot_ends = !c->dots };
	enum letter_result e = LETTER_OK;
	struct span rest = c->in;
	struct sbuf out;
	bool right;

	sbuf_init(&out, 4096);
	while (rest.n > 0 && e == LETTER_OK) {
		size_t n = rest.n < piece ? rest.n : piece;

		e = letter_push(&t, span_of(rest.p, n), &out);
		rest = span_skip(rest, n);
	}
	if (e == LETTER_OK)
		e = letter_finish(&t, &out);
	right = e == c->end &&
	    (e == LETTER_BARE_CR || e == LETTER_NUL ||
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
