/* SPDX-License-Identifier: ISC */
/* AUTH (RFC 4954) with PLAIN, or LOGIN, at a host that mail is routed to. */
#include "client-parts.h"

#define SECRET_MAX 2048

static void
add_base64(struct sbuf *b, struct span in)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; in.n > 0; in = span_skip(in, 3)) {
		uint32_t v = 0;

		for (size_t i = 0; i < 3; i++)
			v = v << 8 | (i < in.n ? (unsigned char)in.p[i] : 0U);
		for (size_t i = 0; i < 4; i++)
			sbuf_putc(b,
			    i <= in.n ? digits[v >> (18 - 6 * i) & 63] : '=');
	}
}

/* One line, and the reply to it. Nothing of the line stays behind. */
static enum io
say_secret(struct client *c, const char *verb, struct span secret)
{
	struct sbuf b;
	enum io r;

	sbuf_init(&b, SECRET_MAX * 2);
	add_base64(&b, secret);
	r = client_say(c, verb, sbuf_span(&b));
	if (r == IO_OK)
		r = client_hear(c, WAIT_COMMAND);
	explicit_bzero(b.s, b.len);
	explicit_bzero(c->outmem, sizeof(c->outmem));
	sbuf_free(&b);
	return r;
}

static enum io
plain(struct client *c, const struct policy *p)
{
	struct sbuf b;
	enum io r;

	sbuf_init(&b, SECRET_MAX);
	sbuf_putc(&b, '\0');
	sbuf_addspan(&b, p->user);
	sbuf_putc(&b, '\0');
	sbuf_addspan(&b, p->password);
	r = say_secret(c, "AUTH PLAIN ", sbuf_span(&b));
	explicit_bzero(b.s, b.len);
	sbuf_free(&b);
	return r;
}

static enum io
login(struct client *c, const struct policy *p)
{
	enum io r = client_say(c, "AUTH LOGIN", SPAN(""));

	if (r == IO_OK)
		r = client_hear(c, WAIT_COMMAND);
	if (r == IO_OK && c->answer.code == 334)
		r = say_secret(c, "", p->user);
	if (r == IO_OK && c->answer.code == 334)
		r = say_secret(c, "", p->password);
	return r;
}

bool
client_login(struct client *c, const struct client_plan *plan,
    struct client_failure *why)
{
	const struct policy *p = &plan->policy;
	enum io r;

	if (c->layer == NULL || (!c->auth_plain && !c->auth_login)) {
		*why = client_deferral("auth",
		    "451 4.7.0 The server offers no AUTH that is known here");
		return false;
	}
	r = c->auth_plain ? plain(c, p) : login(c, p);
	if (r == IO_OK && c->answer.code == 235)
		return true;
	/* The password is ours to correct: the mail waits for that. */
	*why = r == IO_OK ?
	    client_deferral("auth",
		"451 4.7.8 The server does not accept our password: %s",
		c->answer.text.s) :
	    client_broken("auth", r);
	return false;
}
