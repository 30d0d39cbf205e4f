/* SPDX-License-Identifier: ISC */
/* Paths and mailboxes: views stay inside, and what is taken is taken again. */
#include <stdlib.h>

#include "address.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
inside(struct span part, struct span whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void
check(struct span text, enum address_path kind)
{
	struct span rest = text;
	struct address a, again;
	struct sbuf b;

	if (address_path(&rest, kind, &a) != ADDRESS_OK) {
		must(rest.p == text.p && rest.n == text.n);
		return;
	}
	must(inside(rest, text) && rest.p + rest.n == text.p + text.n);
	must(inside(a.whole, text) && inside(a.local, text) &&
	    inside(a.domain, text));
	must(rest.p[-1] == '>');
	must(a.whole.n + 2 <= ADDRESS_PATH_MAX);
	for (size_t i = 0; i < a.whole.n; i++)
		must(a.whole.p[i] >= ' ' && a.whole.p[i] <= '~');
	if (a.domain.n == 0)
		return;
	must(address_mailbox(a.whole, &again) == ADDRESS_OK);
	must(span_eq(a.local, again.local) && span_eq(a.domain, again.domain));
	must(a.literal ? address_is_literal(a.domain) :
			 address_is_domain(a.domain));
	sbuf_init(&b, ADDRESS_LOCAL_MAX);
	address_unquote(&b, &a);
	must(!b.bad);
	sbuf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct address a;

	check(text, ADDRESS_REVERSE);
	check(text, ADDRESS_FORWARD);
	if (address_mailbox(text, &a) == ADDRESS_OK)
		must(span_eq(a.whole, text));
	return 0;
}
