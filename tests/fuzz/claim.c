/* SPDX-License-Identifier: ISC */
/* Fields of a judge gone mad: what is believed stays within its fields. */
#include <stdlib.h>

#include "../../smtpd-session/verify/claim.c"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Every line is one of the two fields, or goes on with one. */
static void
check(struct span lines)
{
	bool first = true;

	while (lines.n > 0) {
		struct span line = span_cut(&lines, '\n');

		if (line.n == 0 || line.n > CLAIM_LINE_MAX + 1 ||
		    line.p[line.n - 1] != '\r')
			abort();
		for (size_t i = 0; i + 1 < line.n; i++)
			if (line.p[i] != '\t' &&
			    (line.p[i] < ' ' || line.p[i] > '~'))
				abort();
		if (!span_istarts(line, SPAN("Received-SPF")) &&
		    !span_istarts(line, SPAN("Authentication-Results")) &&
		    (first || !ascii_isblank(line.p[0])))
			abort();
		first = false;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span lines = span_of((const char *)data, n);

	if (claim_is_sound(lines, "mx.example.com"))
		check(lines);
	return 0;
}
