/* SPDX-License-Identifier: ISC */
/* Where the mail of a domain goes: its own MX, or what the settings say. */
#include "route.h"
#include "address.h"
#include "cidr.h"

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
parse_target(struct span s, struct target *t)
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

	return span_eq(s, SPAN("-")) || parse_target(s, &t);
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
fit(struct span pattern, struct span domain)
{
	if (span_ieq(pattern, domain))
		return SIZE_MAX;
	return pattern.p[0] == '.' && ends_with(domain, pattern) ? pattern.n :
								   0;
}

static struct span
choose(const struct conf *conf, struct span domain)
{
	struct span rest = span_str(conf->routes), word;
	struct span best = span_str(conf->smarthost);
	size_t best_fit = 0;

	while ((word = span_word(&rest)).n > 0) {
		struct span target = word, pattern = span_cut(&target, '=');
		size_t n = fit(pattern, domain);

		if (n > best_fit) {
			best_fit = n;
			best = target;
		}
	}
	return best;
}

static void
add_lower(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sbuf_putc(b, ascii_lower(s.p[i]));
}

void
route_find(struct sbuf *b, const struct conf *conf, struct span domain)
{
	route_to(b, choose(conf, domain), domain);
}

void
route_to(struct sbuf *b, struct span target, struct span domain)
{
	struct target t = { domain, SPAN(""), false };

	/* What the settings hold is valid; empty and "-" are not targets. */
	if (target.n > 0 && !span_eq(target, SPAN("-")))
		(void)parse_target(target, &t);
	sbuf_adds(b, t.exact ? "host " : "mx ");
	add_lower(b, t.host);
	if (t.port.n > 0) {
		sbuf_putc(b, ' ');
		sbuf_addspan(b, t.port);
	}
	if (t.exact && span_eq(t.port, SPAN(SUBMISSIONS)))
		sbuf_adds(b, " tls");
}
