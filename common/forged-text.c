/* SPDX-License-Identifier: ISC */
/* Which octets of a text are forged fields; see forged.h. */
#include "forged-text.h"

#include "advise.h"
#include "forged.h"

#define PIECE 16384 /* header sections are seldom larger */

/* Gives fn the ranges that are over with these octets. */
static bool
find_in(struct forged *f, struct span octets, forged_range_fn *fn,
    void *context)
{
	struct forged_range r;

	while (forged_push(f, &octets, &r))
		if (!fn(context, r.offset, r.length))
			return false;
	return true;
}

bool
forged_find(int fd, uint64_t length, const char *host, forged_range_fn *fn,
    void *context)
{
	const struct advise_text text = { .fd = fd, .length = length };
	static char piece[PIECE];
	struct forged_range last;
	struct forged f;
	ssize_t n;

	forged_init(&f, host);
	while (f.offset < length && !forged_is_over(&f)) {
		n = advise_read(&text, f.offset, piece, sizeof(piece));
		if (n <= 0 ||
		    !find_in(&f, span_of(piece, (size_t)n), fn, context))
			return false;
	}
	return !forged_finish(&f, &last) ||
	    fn(context, last.offset, last.length);
}

bool
forged_claims(struct span lines, const char *host)
{
	struct forged_range r;
	struct forged f;

	forged_init(&f, host);
	return forged_push(&f, &lines, &r) || forged_finish(&f, &r);
}
