/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes the walk through a certificate: the first line is a host, the rest
 * is DER. Nothing outside the input is ever seen.
 */
#include <stdlib.h>
#include <string.h>

#include "../../common/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_within(struct span inner, struct span outer)
{
	if (inner.n > 0 &&
	    (inner.p < outer.p || inner.p + inner.n > outer.p + outer.n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size), names, name;
	struct span host = span_cut(&rest, '\n');
	struct certificate c;
	size_t left;

	if (!certificate_parse(rest, &c))
		return 0;
	must_be_within(c.names, rest);
	names = c.names;
	for (left = names.n; certificate_next_name(&names, &name);
	     left = names.n) {
		must_be_within(name, c.names);
		if (names.n >= left)
			abort();
		if (name.n > 0 && memchr(name.p, '*', name.n) == NULL &&
		    !certificate_is_of(&c, name))
			abort();
	}
	(void)certificate_is_of(&c, host);
	return 0;
}
