/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes address lists: whatever comes ends, stays within its bounds, and
 * gives nothing that holds a line end or is empty.
 */
#include <stdlib.h>

#include "../../smtpd-queue/addrlist.h"
#include "../../smtpd-queue/sendmail-letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
lists(struct span in)
{
	struct addrlist l;
	struct sbuf one;
	size_t n = 0;

	sbuf_init(&one, 256);
	addrlist_init(&l, in);
	while (addrlist_next(&l, &one) == ADDRLIST_ADDRESS) {
		if (one.bad || one.len == 0 || ++n > in.n ||
		    span_find(sbuf_span(&one), '\n') < one.len ||
		    span_find(sbuf_span(&one), '\r') < one.len)
			abort();
	}
	sbuf_free(&one);
}

/* Text comes out the same in one piece and in two, and in whole lines. */
static void
texts(struct span in, size_t cut)
{
	struct letter_lines a = { .dot_ends = true }, b = { .dot_ends = true };
	enum letter_result ea, eb;
	struct sbuf whole, parts;

	sbuf_init(&whole, 2 * in.n + 2);
	sbuf_init(&parts, 2 * in.n + 2);
	ea = letter_push(&a, in, &whole);
	if (ea == LETTER_OK)
		ea = letter_finish(&a, &whole);
	eb = letter_push(&b, span_of(in.p, cut), &parts);
	if (eb == LETTER_OK)
		eb = letter_push(&b, span_skip(in, cut), &parts);
	if (eb == LETTER_OK)
		eb = letter_finish(&b, &parts);
	if (ea != eb || !span_eq(sbuf_span(&whole), sbuf_span(&parts)))
		abort();
	if ((ea == LETTER_OK || ea == LETTER_END) && whole.len > 0 &&
	    (whole.len < 2 || memcmp(whole.s + whole.len - 2, "\r\n", 2) != 0))
		abort();
	sbuf_free(&whole);
	sbuf_free(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	lists(in);
	if (size > 0)
		texts(in, data[0] % size);
	return 0;
}
