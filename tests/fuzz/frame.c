/* SPDX-License-Identifier: ISC */
/* Frames: one view of the input, however much of it is there at a time. */
#include <stdlib.h>

#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What was read is what frame_add would have written. */
static void
same_again(struct span in, const struct frame *f)
{
	struct sbuf b;

	sbuf_init(&b, FRAME_ROOM);
	frame_add(&b, f->tag, f->payload);
	if (b.bad || !span_eq(sbuf_span(&b), in))
		abort();
	sbuf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct frame f, g;
	size_t used = 0, u;
	enum frame_event all;

	while ((all = frame_parse(rest, &f, &used)) == FRAME_READY) {
		if (used < 4 || used > rest.n || used > FRAME_ROOM)
			abort();
		same_again(span_of(rest.p, used), &f);
		/* Before its last octet it is not there, and not malformed. */
		for (size_t n = 0; n < used; n += 1 + n / 16)
			if (frame_parse(span_of(rest.p, n), &g, &u) !=
			    FRAME_MORE)
				abort();
		rest = span_skip(rest, used);
	}
	/* What is malformed stays so, and more input than a frame decides. */
	if (all == FRAME_MORE && rest.n >= FRAME_ROOM)
		abort();
	for (size_t n = 0; n < rest.n; n += 1 + n / 16)
		if (frame_parse(span_of(rest.p, n), &g, &u) == FRAME_BAD &&
		    all != FRAME_BAD)
			abort();
	return 0;
}
