/* SPDX-License-Identifier: ISC */
/* The Received field: its clauses, its folds, what a client cannot do. */
#include "../../smtpd-session/received.h"

#include "tap.h"

#define LABEL "x23456789012345678901234567890123456789012345678901234567890"

static const struct received_case {
	struct span helo;
	const char *ip;
	const char *path;
	const char *tls;
	const char *want;
} cases[] = {
	{ SPAN("a.example"), "192.0.2.1", "<u@b.example>", "",
	    "Received: from a.example ([192.0.2.1])\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345\r\n"
	    "\tfor <u@b.example>; Thu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN("[IPv6:::1]"), "::1", "", "",
	    "Received: from [IPv6:::1] ([IPv6:::1])\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN("[192.0.2.9]"), "", "", "",
	    "Received: from [192.0.2.9] (unknown)\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN("a\r\nX: y (z) [1.2.3.4];\0\xff"), "192.0.2.1", "", "",
	    "Received: from a??X??y??z???1.2.3.4???? ([192.0.2.1])\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN(""), "192.0.2.1", "", "",
	    "Received: from unknown ([192.0.2.1])\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN("a.example"), "192.0.2.1", "", "TLSv1.2 ECDHE-RSA",
	    "Received: from a.example ([192.0.2.1])\r\n"
	    "\tby mx.example with ESMTP (TLSv1.2 ECDHE-RSA)"
	    " id\r\n\t0123456789abcdef012345;"
	    " Thu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ SPAN(LABEL "." LABEL), "192.0.2.1", "<u@" LABEL "." LABEL ">", "",
	    "Received: from\r\n"
	    "\t" LABEL "." LABEL "\r\n"
	    "\t([192.0.2.1])\r\n"
	    "\tby mx.example with ESMTP id 0123456789abcdef012345\r\n"
	    "\tfor\r\n"
	    "\t<u@" LABEL "." LABEL ">;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
};

/* The comment stands between the host and with. */
static void
strip_comment(struct sbuf *b)
{
	char *at = memmem(b->s, b->len, " (smtpd)", 8);

	if (!ok(at != NULL, "it says whose it is"))
		return;
	memmove(at, at + 8, b->len - (size_t)(at - b->s) - 8);
	sbuf_truncate(b, b->len - 8);
}

int
main(void)
{
	for (size_t i = 0; i < nitems(cases); i++) {
		const struct received_case *c = &cases[i];
		struct ip ip = { .size = 0 };
		struct received r = { .helo = c->helo,
			.ip = &ip,
			.host = "mx.example",
			.protocol = "ESMTP",
			.tls = c->tls,
			.id = "0123456789abcdef012345",
			.path = span_str(c->path) };
		struct sbuf b;

		if (*c->ip != '\0')
			ok(ip_parse(span_str(c->ip), &ip), "%s", c->ip);
		sbuf_init(&b, RECEIVED_MAX);
		received_field(&b, &r);
		strip_comment(&b);
		is_str(b.s, c->want, "field %zu", i);
		sbuf_free(&b);
	}
	return done();
}
