/* SPDX-License-Identifier: ISC */
/* What goes is the same in pieces of any size, and nothing goes of the rest. */
#include <stdlib.h>

#include "forged.h"
#include "sbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* What is left of a text without its ranges. */
struct rest {
	struct span text;
	struct sbuf *out;
	size_t at;
	unsigned ranges;
};

static void
leave_out(struct rest *rest, struct forged_range r)
{
	must(r.length > sizeof("Authentication-Results"));
	must(r.offset > rest->at || rest->ranges == 0);
	must(r.offset + r.length <= rest->text.n);
	sbuf_add(rest->out, rest->text.p + rest->at, r.offset - rest->at);
	rest->at = r.offset + r.length;
	rest->ranges++;
}

static unsigned
run(struct span text, size_t piece, struct sbuf *out)
{
	struct rest rest = { .text = text, .out = out };
	struct forged_range r;
	struct forged f;

	forged_init(&f, "mx.test");
	while (text.n > 0) {
		size_t n = piece == 0 || piece > text.n ? text.n : piece;
		struct span in = span_of(text.p, n);

		text = span_skip(text, n);
		while (forged_push(&f, &in, &r))
			leave_out(&rest, r);
		must(in.n == 0);
	}
	if (forged_finish(&f, &r))
		leave_out(&rest, r);
	sbuf_addspan(out, span_skip(rest.text, rest.at));
	return rest.ranges;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sbuf one, two, three;
	struct span text;
	unsigned ranges;

	if (size == 0)
		return 0;
	text = span_of(data + 1, size - 1);
	sbuf_init(&one, 1 << 20);
	sbuf_init(&two, 1 << 20);
	sbuf_init(&three, 1 << 20);
	ranges = run(text, 0, &one);
	must(ranges > 0 || span_eq(sbuf_span(&one), text));
	must(run(text, data[0], &two) == ranges);
	must(span_eq(sbuf_span(&one), sbuf_span(&two)));
	must(run(sbuf_span(&one), 1, &three) == 0);
	must(span_eq(sbuf_span(&one), sbuf_span(&three)));
	sbuf_free(&one);
	sbuf_free(&two);
	sbuf_free(&three);
	return 0;
}
