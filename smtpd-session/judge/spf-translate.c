/* SPDX-License-Identifier: ISC */
/* From a stranger's SPF record to the one that libspf2 gets. */
#include "spf-front.h"

static bool
contains(const struct ip *ips, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ips[i].size == ip->size &&
		    memcmp(ips[i].octets, ip->octets, ip->size) == 0)
			return true;
	return false;
}

/*
 * The names that the client's address has and that have this address: at
 * most 10 are looked at, and trouble with DNS just means fewer (RFC 7208 5.5).
 */
static void
learn_hosts(struct spf *s)
{
	struct dns_host all[SPF_HOSTS_MAX];
	size_t n;

	if (s->hosts_known)
		return;
	s->hosts_known = true;
	if (s->lookup->ptr(s->lookup, &s->who.ip, all, nitems(all), &n) !=
	    DNS_FOUND)
		return;
	for (size_t i = 0; i < n; i++) {
		struct ip ips[64];
		size_t nips;

		if (s->lookup->family(s->lookup, span_str(all[i].name),
			s->who.ip.size, ips, nitems(ips), &nips) == DNS_FOUND &&
		    contains(ips, nips, &s->who.ip))
			s->hosts[s->nhosts++] = all[i];
	}
}

static bool
is_below(struct span name, struct span domain)
{
	return name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
	    span_ieq(span_skip(name, name.n - domain.n), domain);
}

/* Is the client a host of that domain, says reverse mapping? */
static bool
is_host_of(struct spf *s, struct span domain)
{
	learn_hosts(s);
	for (size_t i = 0; i < s->nhosts; i++)
		if (span_ieq(span_str(s->hosts[i].name), domain) ||
		    is_below(span_str(s->hosts[i].name), domain))
			return true;
	return false;
}

/* %{p}: the domain itself, a name below it, any other, or "unknown". */
static struct span
best_name(struct spf *s, struct span domain)
{
	learn_hosts(s);
	for (size_t i = 0; i < s->nhosts; i++)
		if (span_ieq(span_str(s->hosts[i].name), domain))
			return span_str(s->hosts[i].name);
	for (size_t i = 0; i < s->nhosts; i++)
		if (is_below(span_str(s->hosts[i].name), domain))
			return span_str(s->hosts[i].name);
	return s->nhosts > 0 ? span_str(s->hosts[0].name) : SPAN("unknown");
}

/* Gives a term a name of our own; false when there are no more. */
static bool
name_term(struct spf *s, const struct spf_term *t, struct span domain,
    unsigned *index)
{
	struct spf_name *name = &s->names[s->nnames];
	struct sbuf b;

	if (s->nnames == SPF_NAMES_MAX)
		return false;
	name->kind = t->kind;
	name->any_address = (s->who.ip.size == 4 ? t->cidr4 : t->cidr6) == 0;
	sbuf_init(&b, 8192);
	s->who.domain = domain;
	if (spf_macro_needs_name(t->domain))
		s->who.name = best_name(s, domain);
	if (t->domain.n == 0)
		sbuf_addspan(&b, domain);
	else
		spf_macro_expand(&b, t->domain, &s->who);
	/* What is no name stays empty: nothing is found there. */
	name->text[0] = '\0';
	if (!b.bad && b.len < sizeof(name->text))
		memcpy(name->text, b.s, b.len + 1);
	sbuf_free(&b);
	*index = s->nnames++;
	return true;
}

static void
write_term(struct spf *s, const struct spf_term *t, unsigned index,
    struct sbuf *out)
{
	static const char *const words[] = { [SPF_INCLUDE] = "include",
		[SPF_A] = "a",
		[SPF_MX] = "mx",
		[SPF_EXISTS] = "exists",
		[SPF_PTR] = "exists",
		[SPF_REDIRECT] = "redirect" };
	bool redirect = t->kind == SPF_REDIRECT;

	sbuf_putc(out, ' ');
	if (!redirect)
		sbuf_putc(out, t->qualifier);
	sbuf_addf(out, "%s%cn%u.spf", words[t->kind], redirect ? '=' : ':',
	    index);
	if (t->kind != SPF_A && t->kind != SPF_MX)
		return;
	/* The library takes 0 for all bits: see any_address. */
	if (s->who.ip.size == 4 && t->cidr4 > 0)
		sbuf_addf(out, "/%u", t->cidr4);
	else if (s->who.ip.size == 16 && t->cidr6 > 0)
		sbuf_addf(out, "//%u", t->cidr6);
}

/* Every term is looked at before the first is believed (RFC 7208 4.6). */
static bool
is_sound(struct span record, struct spf_term *redirect)
{
	unsigned nredirect = 0, nexp = 0;
	struct spf_term t;
	enum spf_next next;

	redirect->kind = SPF_OTHER;
	while ((next = spf_term_next(&record, &t)) == SPF_NEXT_TERM) {
		nexp += t.kind == SPF_EXP;
		nredirect += t.kind == SPF_REDIRECT;
		if (t.kind == SPF_REDIRECT)
			*redirect = t;
	}
	return next == SPF_NEXT_END && nredirect <= 1 && nexp <= 1;
}

bool
spf_translate(struct spf *s, struct span record, struct span domain,
    struct sbuf *out)
{
	struct spf_term t, redirect;
	unsigned index, asking = 0;

	if (!is_sound(record, &redirect))
		return false;
	sbuf_adds(out, "v=spf1");
	while (spf_term_next(&record, &t) == SPF_NEXT_TERM) {
		switch (t.kind) {
		case SPF_IP4:
		case SPF_IP6:
			if (!spf_term_covers(&t, &s->who.ip))
				continue;
			sbuf_addf(out, " %call", t.qualifier);
			return true;
		case SPF_ALL:
			sbuf_addf(out, " %call", t.qualifier);
			return true;
		case SPF_REDIRECT:
		case SPF_EXP:
		case SPF_OTHER:
			continue;
		case SPF_INCLUDE:
		case SPF_A:
		case SPF_MX:
		case SPF_PTR:
		case SPF_EXISTS:
			break;
		}
		if (!name_term(s, &t, domain, &index))
			return false;
		if (t.kind == SPF_PTR)
			s->names[index].any_address = is_host_of(s,
			    span_str(s->names[index].text));
		write_term(s, &t, index, out);
		/* At the one beyond the limit all ends: no need of more. */
		if (asking++ == SPF_TERMS_MAX)
			return true;
	}
	if (redirect.kind == SPF_REDIRECT) {
		if (!name_term(s, &redirect, domain, &index))
			return false;
		write_term(s, &redirect, index, out);
	}
	return !out->bad;
}
