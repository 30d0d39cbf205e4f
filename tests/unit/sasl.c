/* SPDX-License-Identifier: ISC */
/* The responses of PLAIN and LOGIN. */
#include "../../common/base64.h"
#include "../../smtpd-session/sasl.h"

#include "tap.h"

static struct sbuf secret;

static enum sasl_result
take(enum sasl_result (*mechanism)(struct sbuf *, struct span),
    struct span octets)
{
	struct sbuf text;
	enum sasl_result r;

	sbuf_init(&text, 65536);
	base64_encode(&text, octets);
	sbuf_reset(&secret);
	r = mechanism(&secret, sbuf_span(&text));
	sbuf_free(&text);
	return r;
}

static void
plain(void)
{
	static const struct span bad[] = { SPAN(""), SPAN("user"), SPAN("\0"),
		SPAN("\0user"), SPAN("user\0secret"), SPAN("\0user\0se\0cret"),
		SPAN("\0user\0secret\0"), SPAN("\0\0\0") };

	ok(take(sasl_plain, SPAN("\0user\0secret")) == SASL_OK, "PLAIN");
	is_span(sbuf_span(&secret), SPAN("user\0secret"), "what is in it");
	ok(take(sasl_plain, SPAN("user\0user\0secret")) == SASL_OK,
	    "as oneself");
	is_span(sbuf_span(&secret), SPAN("user\0secret"), "what is in it");
	ok(take(sasl_plain, SPAN("root\0user\0secret")) == SASL_OTHER,
	    "as somebody else");
	ok(take(sasl_plain, SPAN("\0\0")) == SASL_OK, "nothing is for others");
	is_span(sbuf_span(&secret), SPAN("\0"), "to judge");
	for (size_t i = 0; i < nitems(bad); i++)
		ok(take(sasl_plain, bad[i]) == SASL_BAD, "malformed %zu", i);
	ok(sasl_plain(&secret, SPAN("AHVzZXIAc2VjcmV0=")) == SASL_BAD,
	    "no base64");
}

static void
login(void)
{
	ok(take(sasl_login, SPAN("us er")) == SASL_OK, "LOGIN");
	sbuf_putc(&secret, '\0');
	ok(sasl_login(&secret, SPAN("c2VjcmV0")) == SASL_OK, "both answers");
	is_span(sbuf_span(&secret), SPAN("us er\0secret"), "what is in it");
	ok(take(sasl_login, SPAN("us\0er")) == SASL_BAD, "a NUL inside");
	ok(take(sasl_login, SPAN("")) == SASL_OK, "nothing");
	ok(sasl_login(&secret, SPAN("dXNlc")) == SASL_BAD, "no base64");
}

int
main(void)
{
	sbuf_init(&secret, SASL_ROOM);
	plain();
	login();
	ok(sasl_is_cancel(SPAN("*")), "* cancels");
	ok(!sasl_is_cancel(SPAN("")) && !sasl_is_cancel(SPAN("* ")),
	    "nothing else does");
	sbuf_free(&secret);
	return done();
}
