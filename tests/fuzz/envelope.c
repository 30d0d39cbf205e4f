/* SPDX-License-Identifier: ISC */
/* Envelope frames: nothing taken can be two lines, and views stay inside. */
#include <stdlib.h>

#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
one_line_inside(struct span part, struct span whole)
{
	must(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
	must(span_find(part, '\n') == part.n &&
	    span_find(part, '\r') == part.n && span_find(part, '\0') == part.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, name, value;
	struct envelope_path e;

	if (envelope_fact(text, &name, &value)) {
		must(name.n > 0 && name.n + 1 + value.n == text.n);
		one_line_inside(name, text);
		one_line_inside(value, text);
	}
	if (envelope_sender(text, &e)) {
		must(!e.local && e.path.p == text.p);
		one_line_inside(e.path, text);
		one_line_inside(e.params, text);
	}
	if (envelope_recipient(text, &e)) {
		must(e.local == span_starts(text, SPAN("local ")));
		must(e.address.local.n > 0);
		one_line_inside(e.path, text);
		one_line_inside(e.params, text);
	}
	return 0;
}
