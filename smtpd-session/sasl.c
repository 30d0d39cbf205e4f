/* SPDX-License-Identifier: ISC */
/* The responses of PLAIN (RFC 4616) and LOGIN, which no RFC describes. */
#include "sasl.h"

#include "base64.h"

bool
sasl_is_cancel(struct span line)
{
	return span_eq(line, SPAN("*"));
}

/* Removes n octets at from. */
static void
sasl_remove(struct sbuf *b, size_t from, size_t n)
{
	memmove(b->s + from, b->s + from + n, b->len - from - n);
	sbuf_truncate(b, b->len - n);
}

/* [authzid] NUL authcid NUL password */
enum sasl_result
sasl_plain(struct sbuf *b, struct span response)
{
	size_t from = b->len;
	struct span rest, authzid, user;

	if (!base64_decode(b, response))
		return SASL_BAD;
	rest = span_of(b->s + from, b->len - from);
	authzid = span_cut(&rest, '\0');
	if (authzid.p + authzid.n == b->s + b->len)
		return SASL_BAD;
	user = span_cut(&rest, '\0');
	if (user.p + user.n == b->s + b->len || span_find(rest, '\0') < rest.n)
		return SASL_BAD;
	if (authzid.n > 0 && !span_eq(authzid, user))
		return SASL_OTHER;
	sasl_remove(b, from, authzid.n + 1);
	return SASL_OK;
}

enum sasl_result
sasl_login(struct sbuf *b, struct span response)
{
	size_t from = b->len;
	struct span answer;

	if (!base64_decode(b, response))
		return SASL_BAD;
	answer = span_of(b->s + from, b->len - from);
	return span_find(answer, '\0') < answer.n ? SASL_BAD : SASL_OK;
}
