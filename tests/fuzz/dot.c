/* SPDX-License-Identifier: ISC */
/* DATA in pieces of any size is DATA in one piece, and ends where it ends. */
#include <stdlib.h>

#include "dot.h"
#include "sbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

struct outcome {
	struct sbuf text;
	size_t used;
	enum dot_fault why;
	bool ended;
};

/* The first octet says how long the pieces are: 0 is all at once. */
static void
run(struct span text, size_t piece, struct outcome *o)
{
	struct dot d = { 0 };
	struct span got;
	size_t used, n;

	sbuf_init(&o->text, 1 << 20);
	o->used = 0;
	o->ended = false;
	while (o->used < text.n && !o->ended) {
		n = text.n - o->used;
		if (piece > 0 && n > piece)
			n = piece;
		o->ended = dot_push(&d, span_of(text.p + o->used, n), &used,
			       &got) == DOT_END;
		must(used <= n);
		sbuf_addspan(&o->text, got);
		o->used += used;
	}
	o->why = d.why;
}

static void
check_end(struct span text, const struct outcome *o)
{
	const char *at = text.n < 5 ? NULL :
				      memmem(text.p, text.n, "\r\n.\r\n", 5);
	size_t end = text.n;

	if (span_starts(text, SPAN(".\r\n")))
		end = 3;
	else if (at != NULL)
		end = (size_t)(at - text.p) + 5;
	must(o->used == end);
	must(o->ended == (at != NULL || span_starts(text, SPAN(".\r\n"))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome one, two;
	struct span text;

	if (size == 0)
		return 0;
	text = span_of(data + 1, size - 1);
	run(text, 0, &one);
	run(text, data[0], &two);
	check_end(text, &one);
	must(one.used == two.used && one.ended == two.ended &&
	    one.why == two.why);
	must(span_eq(sbuf_span(&one.text), sbuf_span(&two.text)));
	sbuf_free(&one.text);
	sbuf_free(&two.text);
	return 0;
}
