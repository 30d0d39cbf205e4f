/* SPDX-License-Identifier: ISC */
/* One SPF record, term by term: the ABNF of RFC 7208 section 12. */
#include <arpa/inet.h>

#include "spf-macro.h"
#include "spf-term.h"

bool
spf_is_record(struct span text, struct span *rest)
{
	const struct span version = SPAN("v=spf1");

	if (!span_istarts(text, version))
		return false;
	*rest = span_skip(text, version.n);
	return rest->n == 0 || rest->p[0] == ' ';
}

static bool
is_name(char c)
{
	return ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
}

/*
 * Takes "/DIGITS" off the end of *s, if that is what stands there: without
 * leading zeros, at most max. What is not of that form stays, and is then no
 * part of any domain-spec either.
 */
static void
take_cidr(struct span *s, uint32_t max, unsigned *bits)
{
	size_t slash = span_rfind(*s, '/');
	struct span digits;
	uint32_t n;

	if (slash == s->n)
		return;
	digits = span_skip(*s, slash + 1);
	if (digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') ||
	    !span_u32(digits, max, &n))
		return;
	*bits = n;
	s->n = slash;
}

static void
take_dual_cidr(struct span *s, struct spf_term *t)
{
	struct span six = *s;

	t->cidr4 = 32;
	t->cidr6 = 128;
	take_cidr(&six, 128, &t->cidr6);
	if (six.n < s->n && six.n > 0 && six.p[six.n - 1] == '/')
		s->n = six.n - 1;
	else
		t->cidr6 = 128;
	take_cidr(s, 32, &t->cidr4);
}

static bool
parse_network(struct span s, struct spf_term *t)
{
	char text[INET6_ADDRSTRLEN];
	int family = t->kind == SPF_IP4 ? AF_INET : AF_INET6;

	t->cidr4 = 32;
	t->cidr6 = 128;
	if (t->kind == SPF_IP4)
		take_cidr(&s, 32, &t->cidr4);
	else
		take_cidr(&s, 128, &t->cidr6);
	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, t->net) == 1;
}

static bool
parse_mechanism(struct span name, struct span rest, struct spf_term *t)
{
	static const struct {
		struct span name;
		enum spf_kind kind;
	} table[] = { { SPAN("all"), SPF_ALL }, { SPAN("a"), SPF_A },
		{ SPAN("include"), SPF_INCLUDE }, { SPAN("mx"), SPF_MX },
		{ SPAN("ptr"), SPF_PTR }, { SPAN("ip4"), SPF_IP4 },
		{ SPAN("ip6"), SPF_IP6 }, { SPAN("exists"), SPF_EXISTS } };
	size_t i = 0;
	bool colon = rest.n > 0 && rest.p[0] == ':';

	while (i < nitems(table) && !span_ieq(table[i].name, name))
		i++;
	if (i == nitems(table))
		return false;
	t->kind = table[i].kind;
	if (t->kind == SPF_ALL)
		return rest.n == 0;
	if (t->kind == SPF_IP4 || t->kind == SPF_IP6)
		return colon && parse_network(span_skip(rest, 1), t);
	if (t->kind == SPF_A || t->kind == SPF_MX)
		take_dual_cidr(&rest, t);
	if (!colon)
		return rest.n == 0 && t->kind != SPF_INCLUDE &&
		    t->kind != SPF_EXISTS;
	t->domain = span_skip(rest, 1);
	return spf_macro_is_domain(t->domain);
}

static bool
parse_modifier(struct span name, struct span value, struct spf_term *t)
{
	t->kind = SPF_OTHER;
	if (span_ieq(name, SPAN("redirect")))
		t->kind = SPF_REDIRECT;
	else if (span_ieq(name, SPAN("exp")))
		t->kind = SPF_EXP;
	t->domain = value;
	return t->kind == SPF_OTHER ? spf_macro_is_string(value) :
				      spf_macro_is_domain(value);
}

enum spf_next
spf_term_next(struct span *rest, struct spf_term *t)
{
	struct span word;
	size_t n = 0;
	bool qualified;

	while (rest->n > 0 && rest->p[0] == ' ')
		*rest = span_skip(*rest, 1);
	if (rest->n == 0)
		return SPF_NEXT_END;
	word = span_cut(rest, ' ');
	*t = (struct spf_term){ .qualifier = '+' };
	qualified = memchr("+-~?", word.p[0], 4) != NULL;
	if (qualified) {
		t->qualifier = word.p[0];
		word = span_skip(word, 1);
	}
	while (n < word.n && is_name(word.p[n]))
		n++;
	if (n == 0 || !ascii_isalpha(word.p[0]))
		return SPF_NEXT_BAD;
	if (n < word.n && word.p[n] == '=' && !qualified)
		return parse_modifier(span_of(word.p, n),
			   span_skip(word, n + 1), t) ?
		    SPF_NEXT_TERM :
		    SPF_NEXT_BAD;
	return parse_mechanism(span_of(word.p, n), span_skip(word, n), t) ?
	    SPF_NEXT_TERM :
	    SPF_NEXT_BAD;
}

bool
spf_term_covers(const struct spf_term *t, const struct ip *ip)
{
	unsigned bits = t->kind == SPF_IP4 ? t->cidr4 : t->cidr6;

	if (ip->size != (t->kind == SPF_IP4 ? 4 : 16))
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (((ip->octets[i / 8] ^ t->net[i / 8]) & (0x80 >> i % 8)) !=
		    0)
			return false;
	return true;
}
