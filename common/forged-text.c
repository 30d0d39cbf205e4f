/* SPDX-License-Identifier: ISC */
/* Which octets of a text are forged fields; see forged.h. */
#include "forged-text.h"

#include "advise.h"
#include "forged.h"
#include "log.h"

#define PIECE 16384      /* header sections are seldom larger */
#define RANGES_MAX 10000 /* of one message, as smtpd-queue has it */

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

static bool
forged_delete(void *context, uint64_t offset, uint64_t length)
{
	unsigned *n = context;

	if ((*n)++ == RANGES_MAX)
		return false;
	advise_delete(offset, length);
	return true;
}

bool
forged_advise(const struct advise_text *text, const char *host)
{
	unsigned n = 0;

	if (forged_find(text->fd, text->length, host, forged_delete, &n))
		return true;
	if (n > RANGES_MAX) {
		advise_refuse(SPAN("550 5.6.0 Too many forged header fields"));
		return false;
	}
	warn_sys("cannot read the text");
	advise_later(ADVISE_LOCAL_ERROR);
	return false;
}
