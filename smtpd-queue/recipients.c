/* SPDX-License-Identifier: ISC */
/* The recipients of a message that sendmail sends, each once. */
#include "recipients.h"

#include "address.h"
#include "addrlist.h"
#include "queuefile.h"

#define ONE_MAX 1024 /* more than any address has */
#define ALL_MAX (QUEUE_RCPTS_MAX * (ADDRESS_PATH_MAX + 1))

void
recipients_init(struct recipients *r, const char *domains)
{
	r->domain = domains;
	r->n = 0;
	sbuf_init(&r->all, ALL_MAX);
	sbuf_init(&r->one, ONE_MAX);
	sbuf_init(&r->bad, ONE_MAX);
}

struct span
recipients_next(struct span *rest)
{
	return span_cut(rest, '\n');
}

static bool
is_known(const struct recipients *r, struct span one)
{
	struct span rest = sbuf_span(&r->all), other;

	while ((other = recipients_next(&rest)).n > 0) {
		if (span_eq(other, one))
			return true;
	}
	return false;
}

/* Makes one an address: as it is, or with our domain. */
static bool
qualify(struct recipients *r)
{
	struct span domains = span_str(r->domain);
	struct address a;

	if (address_mailbox(sbuf_span(&r->one), &a) == ADDRESS_OK)
		return true;
	sbuf_putc(&r->one, '@');
	sbuf_addspan(&r->one, span_word(&domains));
	return !r->one.bad &&
	    address_mailbox(sbuf_span(&r->one), &a) == ADDRESS_OK;
}

static enum recipients_result
add_one(struct recipients *r)
{
	if (!qualify(r))
		return RECIPIENTS_BAD;
	if (is_known(r, sbuf_span(&r->one)))
		return RECIPIENTS_OK;
	if (r->n == QUEUE_RCPTS_MAX)
		return RECIPIENTS_TOO_MANY;
	r->n++;
	sbuf_addspan(&r->all, sbuf_span(&r->one));
	sbuf_putc(&r->all, '\n');
	return r->all.bad ? RECIPIENTS_NO_MEMORY : RECIPIENTS_OK;
}

static enum recipients_result
bad(struct recipients *r, struct span list, struct span rest)
{
	struct span from = span_trim(list);

	/* What was read of it so far: it ends in the fault, or behind it. */
	from.n = (size_t)(rest.p - from.p) < from.n ?
	    (size_t)(rest.p - from.p) :
	    from.n;
	if (from.n > ONE_MAX / 8)
		from = span_skip(from, from.n - ONE_MAX / 8);
	sbuf_reset(&r->bad);
	sbuf_addspan(&r->bad, from);
	return RECIPIENTS_BAD;
}

enum recipients_result
recipients_add(struct recipients *r, struct span list)
{
	struct addrlist l;

	addrlist_init(&l, list);
	for (;;) {
		enum recipients_result result = RECIPIENTS_BAD;

		switch (addrlist_next(&l, &r->one)) {
		case ADDRLIST_END:
			return RECIPIENTS_OK;
		case ADDRLIST_ADDRESS:
			result = add_one(r);
			break;
		case ADDRLIST_BAD:
			break;
		}
		if (result == RECIPIENTS_BAD)
			return bad(r, list, l.rest);
		if (result != RECIPIENTS_OK)
			return result;
	}
}
