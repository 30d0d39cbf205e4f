/* SPDX-License-Identifier: ISC */
/* Any file of aliases: what is accepted can be followed to its ends. */
#include <stdlib.h>

#include "alias.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct conf conf = { .local_domains = "a b.c" };

/* As smtpd-rcpt does, without asking for users. Gives how many ends. */
static unsigned
follow(const struct alias_table *t, const struct alias_entry *e, unsigned depth)
{
	unsigned ends = 0;

	if (depth > ALIAS_DEPTH_MAX)
		abort();
	for (size_t i = 0; i < e->ntargets; i++) {
		char text[ADDRESS_LOCAL_MAX + 1];
		const struct alias_entry *next = NULL;
		struct address a;
		struct span local;

		if (address_mailbox(alias_target(t, e, i), &a) != ADDRESS_OK)
			abort();
		local = alias_local(&a, text);
		if (alias_is_local(t, a.domain)) {
			next = alias_find(t, local, a.domain);
			if (next == NULL && alias_base(local).n > 0)
				next = alias_find(t, alias_base(local),
				    a.domain);
		}
		ends += next == NULL || next == e ? 1 :
						    follow(t, next, depth + 1);
	}
	return ends;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct alias_table t;
	struct alias_where where;

	alias_init(&t, &conf);
	if (alias_parse(&t, span_of(data, size), &where) == ALIAS_OK) {
		for (size_t i = 0; i < t.nentries; i++)
			if (follow(&t, &t.entries[i], 0) > ALIAS_RECIPIENTS_MAX)
				abort();
	} else if (where.what[0] == '\0') {
		abort();
	}
	alias_free(&t);
	return 0;
}
