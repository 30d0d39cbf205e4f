/* SPDX-License-Identifier: ISC */
/* Paths, mailboxes and address literals, as in RFC 5321 4.1.2 and 4.1.3. */
#include "address.h"

/* RFC 5322 3.2.3. */
static bool
is_atext(char c)
{
	return ascii_isalnum(c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static bool
next_is(struct span s, char c)
{
	return s.n > 0 && s.p[0] == c;
}

/* Takes n octets off *rest. */
static struct span
address_cut_front(struct span *rest, size_t n)
{
	struct span s = span_of(rest->p, n);

	*rest = span_of(rest->p + n, rest->n - n);
	return s;
}

/* Dot-string = Atom *("." Atom). Its length, or 0. */
static size_t
dot_string(struct span s)
{
	size_t i = 0, atom;

	for (;;) {
		for (atom = i; i < s.n && is_atext(s.p[i]); i++)
			;
		if (i == atom)
			return 0;
		if (i == s.n || s.p[i] != '.')
			return i;
		i++;
	}
}

/* Quoted-string with both its quotes. Its length, or 0. */
static size_t
quoted_string(struct span s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '"')
			return i + 1;
		if (s.p[i] == '\\' && ++i == s.n)
			return 0;
		if (!is_printable(s.p[i]))
			return 0;
	}
	return 0;
}

/* A run of what domains are made of, well or badly. */
static size_t
domain_run(struct span s)
{
	size_t i = 0;

	while (i < s.n &&
	    (ascii_isalnum(s.p[i]) || s.p[i] == '-' || s.p[i] == '.'))
		i++;
	return i;
}

/* Let-dig [Ldh-str], at most 63 octets (RFC 1035 2.3.4). */
static bool
is_label(struct span s)
{
	return s.n > 0 && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-' &&
	    domain_run(s) == s.n;
}

/* Domain = sub-domain *("." sub-domain), of any length. */
static bool
is_domain(struct span s)
{
	if (s.n == 0 || s.p[s.n - 1] == '.')
		return false;
	while (s.n > 0) {
		if (!is_label(span_cut(&s, '.')))
			return false;
	}
	return true;
}

bool
address_is_domain(struct span s)
{
	return s.n <= ADDRESS_DOMAIN_MAX && is_domain(s);
}

/* --- literals, RFC 5321 4.1.3 ---------------------------------------------- */

/* Snum: 1*3DIGIT, 0 to 255. Four of them. */
static bool
address_is_v4(struct span s)
{
	uint32_t number;
	struct span snum;

	for (int i = 0; i < 4; i++) {
		snum = i < 3 ? span_cut(&s, '.') : s;
		if (snum.n > 3 || !span_u32(snum, 255, &number))
			return false;
	}
	return true;
}

/*
 * Counts the 16-bit groups of g *(":" g), the last of which may be an IPv4
 * address, worth two. -1 when it is not that.
 */
static int
count_groups(struct span s)
{
	uint64_t number;
	struct span g;
	int n = 0;

	if (s.n == 0)
		return 0;
	for (;;) {
		size_t colon = span_find(s, ':');

		g = span_of(s.p, colon);
		if (colon == s.n && address_is_v4(g))
			return n + 2;
		if (g.n > 4 || !span_hex(g, 0xffff, &number))
			return -1;
		n++;
		if (colon == s.n)
			return n;
		s = span_skip(s, colon + 1);
	}
}

/* Offset of the first "::", or s.n. */
static size_t
find_gap(struct span s)
{
	for (size_t i = 0; i + 1 < s.n; i++) {
		if (s.p[i] == ':' && s.p[i + 1] == ':')
			return i;
	}
	return s.n;
}

/* "::" stands for two groups or more, so at most six are left. */
static bool
address_is_v6(struct span s)
{
	size_t gap = find_gap(s);
	int before = count_groups(span_of(s.p, gap)), after;

	if (gap == s.n)
		return before == 8;
	/* An IPv4 address comes last or not at all. */
	if (before < 0 || span_find(span_of(s.p, gap), '.') < gap)
		return false;
	after = count_groups(span_skip(s, gap + 2));
	return after >= 0 && before + after <= 6;
}

bool
address_is_literal(struct span s)
{
	const struct span tag = SPAN("IPv6:");

	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	s = span_of(s.p + 1, s.n - 2);
	/* No other tag for a General-address-literal was ever registered. */
	return span_istarts(s, tag) ? address_is_v6(span_skip(s, tag.n)) :
				      address_is_v4(s);
}

/* --- paths and mailboxes -------------------------------------------------- */

static enum address_result
take_domain(struct span *rest, struct span *domain)
{
	*domain = address_cut_front(rest, domain_run(*rest));
	if (domain->n > ADDRESS_DOMAIN_MAX)
		return ADDRESS_DOMAIN_TOO_LONG;
	return is_domain(*domain) ? ADDRESS_OK : ADDRESS_SYNTAX;
}

static enum address_result
take_literal(struct span *rest, struct span *literal)
{
	size_t end = span_find(*rest, ']');

	if (end == rest->n)
		return ADDRESS_SYNTAX;
	*literal = address_cut_front(rest, end + 1);
	return address_is_literal(*literal) ? ADDRESS_OK : ADDRESS_SYNTAX;
}

static enum address_result
take_local(struct span *rest, struct address *a)
{
	size_t n;

	a->quoted = next_is(*rest, '"');
	n = a->quoted ? quoted_string(*rest) : dot_string(*rest);
	if (n == 0)
		return ADDRESS_SYNTAX;
	a->local = address_cut_front(rest, n);
	return n > ADDRESS_LOCAL_MAX ? ADDRESS_LOCAL_TOO_LONG : ADDRESS_OK;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static enum address_result
take_mailbox(struct span *rest, struct address *a)
{
	struct span start = *rest;
	enum address_result result = take_local(rest, a);

	if (result != ADDRESS_OK)
		return result;
	if (!next_is(*rest, '@'))
		return ADDRESS_SYNTAX;
	address_cut_front(rest, 1);
	a->literal = next_is(*rest, '[');
	if (a->literal)
		result = take_literal(rest, &a->domain);
	else
		result = take_domain(rest, &a->domain);
	a->whole = span_of(start.p, start.n - rest->n);
	return result;
}

/* A-d-l ":" with A-d-l = At-domain *( "," At-domain ), At-domain = "@" Domain */
static enum address_result
skip_route(struct span *rest)
{
	enum address_result result;
	struct span domain;

	for (;;) {
		if (!next_is(*rest, '@'))
			return ADDRESS_SYNTAX;
		address_cut_front(rest, 1);
		result = take_domain(rest, &domain);
		if (result != ADDRESS_OK)
			return result;
		if (!next_is(*rest, ','))
			break;
		address_cut_front(rest, 1);
	}
	if (!next_is(*rest, ':'))
		return ADDRESS_SYNTAX;
	address_cut_front(rest, 1);
	return ADDRESS_OK;
}

static bool
has_utf8(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 0x7f)
			return true;
	}
	return false;
}

/* What is wrong is not the grammar but a charset that we do not speak. */
static enum address_result
address_explain(enum address_result result, struct span text)
{
	if (result == ADDRESS_SYNTAX && has_utf8(text))
		return ADDRESS_UTF8;
	return result;
}

static bool
take_postmaster(struct span *rest, struct address *a)
{
	const struct span name = SPAN("postmaster>");

	if (!span_istarts(*rest, name))
		return false;
	a->whole = a->local = address_cut_front(rest, name.n - 1);
	a->domain = span_of(rest->p, 0);
	return true;
}

/* The path within the angle brackets. */
static enum address_result
take_inside(struct span *rest, enum address_path kind, struct address *a)
{
	enum address_result result;

	if (kind == ADDRESS_REVERSE && next_is(*rest, '>')) {
		a->whole = a->local = a->domain = span_of(rest->p, 0);
		return ADDRESS_OK;
	}
	if (kind == ADDRESS_FORWARD && take_postmaster(rest, a))
		return ADDRESS_OK;
	if (next_is(*rest, '@')) {
		result = skip_route(rest);
		if (result != ADDRESS_OK)
			return result;
	}
	return take_mailbox(rest, a);
}

enum address_result
address_path(struct span *rest, enum address_path kind, struct address *a)
{
	struct span s = *rest;
	enum address_result result = ADDRESS_SYNTAX;

	memset(a, 0, sizeof(*a));
	if (next_is(s, '<')) {
		address_cut_front(&s, 1);
		result = take_inside(&s, kind, a);
	}
	if (result == ADDRESS_OK && !next_is(s, '>'))
		result = ADDRESS_SYNTAX;
	if (result != ADDRESS_OK)
		return address_explain(result,
		    span_of(rest->p, span_find(*rest, '>')));
	address_cut_front(&s, 1);
	if (rest->n - s.n > ADDRESS_PATH_MAX)
		return ADDRESS_PATH_TOO_LONG;
	*rest = s;
	return ADDRESS_OK;
}

enum address_result
address_mailbox(struct span s, struct address *a)
{
	struct span rest = s;
	enum address_result result;

	memset(a, 0, sizeof(*a));
	result = take_mailbox(&rest, a);
	if (result == ADDRESS_OK && rest.n > 0)
		result = ADDRESS_SYNTAX;
	if (result == ADDRESS_OK && s.n > ADDRESS_PATH_MAX - 2)
		result = ADDRESS_PATH_TOO_LONG;
	return address_explain(result, s);
}

void
address_unquote(struct sbuf *b, const struct address *a)
{
	struct span s = a->local;

	if (!a->quoted) {
		sbuf_addspan(b, s);
		return;
	}
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		sbuf_putc(b, s.p[i]);
	}
}
