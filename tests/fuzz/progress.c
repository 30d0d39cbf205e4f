/* SPDX-License-Identifier: ISC */
/* Lines of an id.log: what is read is what was written, and one line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "queuefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct progress_record in, out;
	char sum[sizeof("01234567 ")];
	struct sbuf b;

	sbuf_init(&b, 1 << 20);
	/* With the right sum, or no octet would ever get past it. */
	(void)snprintf(sum, sizeof(sum), "%08" PRIx32 " ",
	    crc32c(0, text.p, text.n));
	sbuf_adds(&b, sum);
	sbuf_addspan(&b, text);
	if (progress_parse(sbuf_span(&b), &in)) {
		struct sbuf again;

		sbuf_init(&again, 1 << 20);
		progress_add(&again, &in);
		must(again.len <= PROGRESS_LINE_MAX &&
		    span_find(sbuf_span(&again), '\n') == again.len - 1);
		must(progress_parse(span_of(again.s, again.len - 1), &out));
		must(out.kind == in.kind && out.number == in.number &&
		    out.other == in.other && out.time == in.time &&
		    out.text.n <= in.text.n);
		sbuf_free(&again);
	}
	(void)progress_parse(text, &in);
	sbuf_free(&b);
	return 0;
}
