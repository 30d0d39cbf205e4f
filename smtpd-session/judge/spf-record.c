/* SPDX-License-Identifier: ISC */
/* One SPF record: its macros (RFC 7208 section 7), its terms (section 12). */
#include <arpa/inet.h>

#include "spf-front.h"

/* --- macros --------------------------------------------------------------- */

#define PARTS_MAX 128 /* of a value: a name has no more labels */
#define VALUE_MAX 1024

struct macro {
	char letter;   /* as written; '%', '_', '-' for those */
	unsigned keep; /* right-hand parts; 0: all */
	bool reverse;
	struct span delimiters; /* empty: a dot */
};

static bool
is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static bool
macro_parse_braces(struct span s, struct macro *m)
{
	static const char letters[] = "slodiphv";
	bool digits = false;

	if (s.n == 0 || strchr(letters, ascii_lower(s.p[0])) == NULL ||
	    s.p[0] == '\0')
		return false;
	*m = (struct macro){ .letter = s.p[0] };
	for (s = span_skip(s, 1); s.n > 0 && ascii_isdigit(s.p[0]);
	     s = span_skip(s, 1)) {
		digits = true;
		if (m->keep < PARTS_MAX)
			m->keep = m->keep * 10 + (unsigned)(s.p[0] - '0');
	}
	if (digits && m->keep == 0)
		return false;
	if (s.n > 0 && ascii_lower(s.p[0]) == 'r') {
		m->reverse = true;
		s = span_skip(s, 1);
	}
	m->delimiters = s;
	for (size_t i = 0; i < s.n; i++)
		if (!is_delimiter(s.p[i]))
			return false;
	return true;
}

/* Takes one macro-expand, which *s begins with, off it. */
static bool
macro_take(struct span *s, struct macro *m)
{
	size_t end;

	if (s->n < 2)
		return false;
	switch (s->p[1]) {
	case '%':
	case '_':
	case '-':
		*m = (struct macro){ .letter = s->p[1] };
		*s = span_skip(*s, 2);
		return true;
	case '{':
		end = span_find(*s, '}');
		if (end == s->n ||
		    !macro_parse_braces(span_of(s->p + 2, end - 2), m))
			return false;
		*s = span_skip(*s, end + 1);
		return true;
	default:
		return false;
	}
}

/* *tail: the text behind the last macro. */
static bool
macro_is_string(struct span s, struct span *tail)
{
	struct macro m;

	*tail = s;
	while (s.n > 0) {
		if (s.p[0] == '%') {
			if (!macro_take(&s, &m))
				return false;
			*tail = s;
			continue;
		}
		if (s.p[0] < '!' || s.p[0] > '~')
			return false;
		s = span_skip(s, 1);
	}
	return true;
}

bool
spf_macro_is_string(struct span s)
{
	struct span tail;

	return macro_is_string(s, &tail);
}

static bool
is_toplabel(struct span s)
{
	bool alpha = false;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
		alpha = alpha || !ascii_isdigit(s.p[i]);
	}
	return alpha;
}

/* domain-end: a dot and a top label, or a macro at the very end. */
bool
spf_macro_is_domain(struct span s)
{
	struct span tail;
	size_t dot;

	if (s.n == 0 || !macro_is_string(s, &tail))
		return false;
	if (tail.n == 0)
		return true;
	if (tail.p[tail.n - 1] == '.')
		tail.n--;
	dot = span_rfind(tail, '.');
	return dot < tail.n && is_toplabel(span_skip(tail, dot + 1));
}

bool
spf_macro_needs_name(struct span s)
{
	struct macro m;

	while (s.n > 0) {
		if (s.p[0] != '%' || !macro_take(&s, &m))
			s = span_skip(s, 1);
		else if (ascii_lower(m.letter) == 'p')
			return true;
	}
	return false;
}

/* %{i}: dotted quad, or the nibbles of an IPv6 address with dots. */
static void
macro_add_ip(struct sbuf *b, const struct ip *ip)
{
	for (unsigned i = 0; i < ip->size; i++) {
		if (i > 0)
			sbuf_putc(b, '.');
		if (ip->size == 4)
			sbuf_addf(b, "%u", ip->octets[i]);
		else
			sbuf_addf(b, "%x.%x", ip->octets[i] >> 4,
			    ip->octets[i] & 15);
	}
}

static void
macro_add_value(struct sbuf *b, char letter, const struct spf_subject *who)
{
	switch (ascii_lower(letter)) {
	case 's':
		sbuf_addspan(b, who->local);
		sbuf_putc(b, '@');
		sbuf_addspan(b, who->sender_domain);
		break;
	case 'l':
		sbuf_addspan(b, who->local);
		break;
	case 'o':
		sbuf_addspan(b, who->sender_domain);
		break;
	case 'd':
		sbuf_addspan(b, who->domain);
		break;
	case 'i':
		macro_add_ip(b, &who->ip);
		break;
	case 'p':
		sbuf_addspan(b, who->name);
		break;
	case 'h':
		sbuf_addspan(b, who->helo);
		break;
	case 'v':
		sbuf_adds(b, who->ip.size == 4 ? "in-addr" : "ip6");
		break;
	default:
		break;
	}
}

static size_t
macro_split(struct span value, struct span delimiters,
    struct span parts[PARTS_MAX])
{
	size_t n = 0, from = 0;

	if (delimiters.n == 0)
		delimiters = span_of(".", 1);
	for (size_t i = 0; i <= value.n && n < PARTS_MAX; i++) {
		if (i < value.n &&
		    memchr(delimiters.p, value.p[i], delimiters.n) == NULL)
			continue;
		parts[n++] = span_of(value.p + from, i - from);
		from = i + 1;
	}
	return n;
}

/* An upper-case letter: all but the unreserved of RFC 3986 is escaped. */
static void
macro_add_escaped(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (ascii_isalnum(s.p[i]) ||
		    (s.p[i] != '\0' && strchr("-._~", s.p[i]) != NULL))
			sbuf_putc(b, s.p[i]);
		else
			sbuf_addf(b, "%%%02X", (unsigned char)s.p[i]);
}

static void
macro_add(struct sbuf *b, const struct macro *m, const struct spf_subject *who)
{
	struct span parts[PARTS_MAX];
	struct sbuf value;
	size_t n, first;

	sbuf_init(&value, VALUE_MAX);
	macro_add_value(&value, m->letter, who);
	n = macro_split(sbuf_span(&value), m->delimiters, parts);
	first = m->keep > 0 && m->keep < n ? n - m->keep : 0;
	for (size_t i = first; i < n; i++) {
		struct span part = parts[m->reverse ? n - 1 - i : i];

		if (i > first)
			sbuf_putc(b, '.');
		if (m->letter >= 'A' && m->letter <= 'Z')
			macro_add_escaped(b, part);
		else
			sbuf_addspan(b, part);
	}
	b->bad = b->bad || value.bad;
	sbuf_free(&value);
}

/* Section 7.3: labels go from the left until the rest is a name. */
static void
macro_cut_to_name(struct sbuf *b, size_t start)
{
	struct span name = span_of(b->s + start, b->len - start);

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	while (name.n > DNS_NAME_MAX && span_find(name, '.') < name.n)
		(void)span_cut(&name, '.');
	memmove(b->s + start, name.p, name.n);
	sbuf_truncate(b, start + name.n);
}

void
spf_macro_expand(struct sbuf *b, struct span spec,
    const struct spf_subject *who)
{
	size_t start = b->len;

	while (spec.n > 0) {
		struct macro m;

		if (spec.p[0] != '%' || !macro_take(&spec, &m)) {
			sbuf_putc(b, spec.p[0]);
			spec = span_skip(spec, 1);
			continue;
		}
		switch (m.letter) {
		case '%':
			sbuf_putc(b, '%');
			break;
		case '_':
			sbuf_putc(b, ' ');
			break;
		case '-':
			sbuf_adds(b, "%20");
			break;
		default:
			macro_add(b, &m, who);
		}
	}
	if (!b->bad)
		macro_cut_to_name(b, start);
}

/* --- terms ---------------------------------------------------------------- */

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
is_term_name(char c)
{
	return ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
}

/*
 * Takes "/DIGITS" off the end of *s, if it is there: without
 * leading zeros, at most max. Another form stays, and then does not fit into
 * any domain-spec.
 */
static void
term_take_cidr(struct span *s, uint32_t max, unsigned *bits)
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
term_take_dual_cidr(struct span *s, struct spf_term *t)
{
	struct span six = *s;

	t->cidr4 = 32;
	t->cidr6 = 128;
	term_take_cidr(&six, 128, &t->cidr6);
	if (six.n < s->n && six.n > 0 && six.p[six.n - 1] == '/')
		s->n = six.n - 1;
	else
		t->cidr6 = 128;
	term_take_cidr(s, 32, &t->cidr4);
}

static bool
term_parse_network(struct span s, struct spf_term *t)
{
	char text[INET6_ADDRSTRLEN];
	int family = t->kind == SPF_IP4 ? AF_INET : AF_INET6;

	t->cidr4 = 32;
	t->cidr6 = 128;
	if (t->kind == SPF_IP4)
		term_take_cidr(&s, 32, &t->cidr4);
	else
		term_take_cidr(&s, 128, &t->cidr6);
	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, t->net) == 1;
}

static bool
term_parse_mechanism(struct span name, struct span rest, struct spf_term *t)
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
		return colon && term_parse_network(span_skip(rest, 1), t);
	if (t->kind == SPF_A || t->kind == SPF_MX)
		term_take_dual_cidr(&rest, t);
	if (!colon)
		return rest.n == 0 && t->kind != SPF_INCLUDE &&
		    t->kind != SPF_EXISTS;
	t->domain = span_skip(rest, 1);
	return spf_macro_is_domain(t->domain);
}

static bool
term_parse_modifier(struct span name, struct span value, struct spf_term *t)
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
	while (n < word.n && is_term_name(word.p[n]))
		n++;
	if (n == 0 || !ascii_isalpha(word.p[0]))
		return SPF_NEXT_BAD;
	if (n < word.n && word.p[n] == '=' && !qualified)
		return term_parse_modifier(span_of(word.p, n),
			   span_skip(word, n + 1), t) ?
		    SPF_NEXT_TERM :
		    SPF_NEXT_BAD;
	return term_parse_mechanism(span_of(word.p, n), span_skip(word, n), t) ?
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
