/* SPDX-License-Identifier: ISC */
/* Responses of AUTH: what comes out is a user, one NUL, and a password. */
#include <stdlib.h>

#include "../../common/base64.h"
#include "../../smtpd-session/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
plain(struct sbuf *b, struct span response)
{
	struct span rest;

	if (sasl_plain(b, response) != SASL_OK)
		return;
	rest = sbuf_span(b);
	(void)span_cut(&rest, '\0');
	must(rest.p <= b->s + b->len && span_find(rest, '\0') == rest.n);
	must(memchr(b->s, '\0', b->len) != NULL);
}

/* What decodes is the one encoding of what comes out. */
static void
decode(struct sbuf *b, struct span text)
{
	struct sbuf again;

	if (!base64_decode(b, text))
		return;
	sbuf_init(&again, 1 << 20);
	base64_encode(&again, sbuf_span(b));
	must(span_eq(sbuf_span(&again), text));
	sbuf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = span_of(data, n);
	struct sbuf b;

	sbuf_init(&b, SASL_ROOM);
	plain(&b, text);
	sbuf_reset(&b);
	if (sasl_login(&b, text) == SASL_OK)
		must(memchr(b.s, '\0', b.len) == NULL);
	sbuf_reset(&b);
	decode(&b, text);
	sbuf_free(&b);
	return 0;
}
