/* SPDX-License-Identifier: ISC */
/* Destinations as the operator writes and reads them. */
#include "target.h"

#include "address.h"

static struct span
domain_of(const struct rcpt *r)
{
	struct span path = rcpt_address(r);
	struct address address;

	if (address_path(&path, ADDRESS_FORWARD, &address) != ADDRESS_OK)
		return span_of("", 0);
	return address.domain;
}

void
target_name(struct sbuf *b, const struct conf *conf, const struct rcpt *r)
{
	if (rcpt_user(r).n > 0)
		return;
	if (r->route != 0)
		sbuf_addspan(b, rcpt_route(r));
	else
		route_find(b, conf, domain_of(r));
}

/* "mx NAME [PORT]", "host NAME [PORT [tls]]" as routes are written. */
static void
add_name(struct sbuf *b, struct span name)
{
	bool exact = span_eq(span_word(&name), SPAN("host"));
	struct span host = span_word(&name), port = span_word(&name);

	if (exact)
		sbuf_putc(b, '[');
	sbuf_addspan(b, host);
	if (exact)
		sbuf_putc(b, ']');
	if (port.n > 0) {
		sbuf_putc(b, ':');
		sbuf_addspan(b, port);
	}
}

void
target_of(struct sbuf *b, const struct conf *conf, const struct rcpt *r)
{
	struct span user = rcpt_user(r);
	struct sbuf name;

	if (user.n > 0) {
		sbuf_adds(b, "local:");
		sbuf_addspan(b, user);
		return;
	}
	sbuf_init(&name, ROUTE_MAX);
	target_name(&name, conf, r);
	add_name(b, sbuf_span(&name));
	if (name.bad)
		b->bad = true;
	sbuf_free(&name);
}

bool
target_is_valid(struct span s)
{
	if (span_starts(s, SPAN("local:"))) {
		if (s.n > TARGET_MAX || s.n == sizeof("local:") - 1)
			return false;
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
				return false;
		return true;
	}
	return !span_eq(s, SPAN("-")) && route_target_valid(s);
}

bool
target_fits(struct span target, const struct conf *conf, const struct rcpt *r)
{
	struct sbuf b;
	bool fits;

	if (span_ieq(target, domain_of(r)))
		return true;
	sbuf_init(&b, TARGET_MAX);
	target_of(&b, conf, r);
	fits = rcpt_user(r).n > 0 ? span_eq(target, sbuf_span(&b)) :
				    span_ieq(target, sbuf_span(&b));
	sbuf_free(&b);
	return fits;
}
