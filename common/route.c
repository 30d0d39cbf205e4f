/* SPDX-License-Identifier: ISC */
/* Where the mail of a domain goes: its own MX, or what the settings say. */
#include "route.h"
#include "address.h"
#include "ip.h"

#define SUBMISSIONS "465"

struct target {
	struct span host, port;
	bool exact; /* no MX */
};

static bool
is_port(struct span s)
{
	uint32_t n;

	return span_u32(s, 65535, &n) && n > 0;
}

/* ":PORT", or nothing. */
static bool
take_port(struct span s, struct target *t)
{
	t->port = span_of("", 0);
	if (s.n == 0)
		return true;
	t->port = span_skip(s, 1);
	return s.p[0] == ':' && is_port(t->port);
}

static bool
parse_brackets(struct span s, struct target *t)
{
	size_t end = span_find(s, ']');
	struct ip ip;

	if (end == s.n)
		return false;
	t->exact = true;
	t->host = span_of(s.p + 1, end - 1);
	if (span_istarts(t->host, SPAN("IPv6:")))
		t->host = span_skip(t->host, 5);
	return (ip_parse(t->host, &ip) || address_is_domain(t->host)) &&
	    take_port(span_skip(s, end + 1), t);
}

static bool
route_parse(struct span s, struct target *t)
{
	size_t colon = span_find(s, ':');
	struct ip ip;

	if (s.n > 0 && s.p[0] == '[')
		return parse_brackets(s, t);
	t->host = span_of(s.p, colon);
	t->exact = ip_parse(t->host, &ip);
	return (t->exact || address_is_domain(t->host)) &&
	    take_port(span_skip(s, colon), t);
}

bool
route_target_valid(struct span s)
{
	struct target t;

	return span_eq(s, SPAN("-")) || route_parse(s, &t);
}

bool
route_valid(struct span word)
{
	struct span target = word, domain = span_cut(&target, '=');

	if (domain.n > 0 && domain.p[0] == '.')
		domain = span_skip(domain, 1);
	return address_is_domain(domain) && route_target_valid(target);
}

static bool
ends_with(struct span s, struct span end)
{
	return s.n >= end.n && span_ieq(span_skip(s, s.n - end.n), end);
}

/* How well the pattern fits: 0 not at all, more the nearer it is. */
static size_t
route_fit(struct span pattern, struct span domain)
{
	if (span_ieq(pattern, domain))
		return SIZE_MAX;
	return pattern.p[0] == '.' && ends_with(domain, pattern) ? pattern.n :
								   0;
}

static struct span
route_choose(const struct conf *conf, struct span domain)
{
	struct span rest = span_str(conf->routes), word;
	struct span best = span_str(conf->smarthost);
	size_t best_fit = 0;

	while ((word = span_word(&rest)).n > 0) {
		struct span target = word, pattern = span_cut(&target, '=');
		size_t n = route_fit(pattern, domain);

		if (n > best_fit) {
			best_fit = n;
			best = target;
		}
	}
	return best;
}

static void
route_add_lower(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sbuf_putc(b, ascii_lower(s.p[i]));
}

void
route_find(struct sbuf *b, const struct conf *conf, struct span domain)
{
	route_to(b, route_choose(conf, domain), domain);
}

void
route_to(struct sbuf *b, struct span target, struct span domain)
{
	struct target t = { domain, SPAN(""), false };

	/* What the settings hold is valid; empty and "-" are not targets. */
	if (target.n > 0 && !span_eq(target, SPAN("-")))
		(void)route_parse(target, &t);
	sbuf_adds(b, t.exact ? "host " : "mx ");
	route_add_lower(b, t.host);
	if (t.port.n > 0) {
		sbuf_putc(b, ' ');
		sbuf_addspan(b, t.port);
	}
	if (t.exact && span_eq(t.port, SPAN(SUBMISSIONS)))
		sbuf_adds(b, " tls");
}

/* "mx NAME [PORT]", "host NAME [PORT [tls]]" as routes are written. */
static void
add_destination(struct sbuf *b, struct span name)
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
route_destination(struct sbuf *b, const struct conf *conf, struct span target,
    struct span route)
{
	struct span kind = span_cut(&target, ' ');
	struct address address;
	struct sbuf name;

	if (span_eq(kind, SPAN("user"))) {
		sbuf_adds(b, "local:");
		sbuf_addspan(b, span_cut(&target, ' '));
	}
	if (!span_eq(kind, SPAN("remote")))
		return;
	sbuf_init(&name, ROUTE_MAX);
	if (route.n > 0)
		sbuf_addspan(&name, route);
	else if (address_path(&target, ADDRESS_FORWARD, &address) == ADDRESS_OK)
		route_find(&name, conf, address.domain);
	else
		route_find(&name, conf, SPAN(""));
	add_destination(b, sbuf_span(&name));
	if (name.bad)
		b->bad = true;
	sbuf_free(&name);
}
