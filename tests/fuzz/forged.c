/* SPDX-License-Identifier: ISC */
/* What passes is the same in pieces of any size, and passes again. */
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

static unsigned
run(struct span text, size_t piece, struct sbuf *out)
{
	static struct forged f;
	size_t held = 0;

	forged_init(&f, "mx.test");
	while (text.n > 0) {
		size_t n = piece == 0 || piece > text.n ? text.n : piece;
		struct span in = span_of(text.p, n);

		text = span_skip(text, n);
		while (in.n > 0) {
			size_t before = in.n + f.len;
			struct span pass = forged_push(&f, &in);

			held = f.len;
			must(held <= FORGED_KEPT);
			must(pass.n + in.n + held <= before);
			sbuf_addspan(out, pass);
		}
	}
	sbuf_addspan(out, forged_finish(&f));
	return f.removed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sbuf one, two, three;
	struct span text;
	unsigned removed;

	if (size == 0)
		return 0;
	text = span_of(data + 1, size - 1);
	sbuf_init(&one, 1 << 20);
	sbuf_init(&two, 1 << 20);
	sbuf_init(&three, 1 << 20);
	removed = run(text, 0, &one);
	must(removed > 0 || span_eq(sbuf_span(&one), text));
	must(one.len + removed * sizeof("Authentication-Results") <= text.n);
	must(run(text, data[0], &two) == removed);
	must(span_eq(sbuf_span(&one), sbuf_span(&two)));
	must(run(sbuf_span(&one), 1, &three) == 0);
	must(span_eq(sbuf_span(&one), sbuf_span(&three)));
	sbuf_free(&one);
	sbuf_free(&two);
	sbuf_free(&three);
	return 0;
}
