/* SPDX-License-Identifier: ISC */
/* The look-ups of who judges mail: TXT, one family of addresses, PTR. */
#include <netinet/in.h>

#include <stdlib.h>

#include "dns-parts.h"

#define LABEL_MAX 63

/* Unlike a host name's, the octets may be any that print. */
static bool
any_name(struct span name, dnsc_t dn[DNS_MAXDN])
{
	dnsc_t *to = dn;

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > DNS_NAME_MAX)
		return false;
	while (name.p != NULL) {
		size_t n = span_find(name, '.');

		if (n == 0 || n > LABEL_MAX)
			return false;
		*to++ = (dnsc_t)n;
		for (size_t i = 0; i < n; i++) {
			if (name.p[i] < ' ' || name.p[i] > '~')
				return false;
			*to++ = (dnsc_t)name.p[i];
		}
		if (n == name.n)
			break;
		name = span_skip(name, n + 1);
		if (name.n == 0)
			return false;
	}
	*to = 0;
	return true;
}

/* The answer to *q, which has no records if they are kept. */
static const struct question *
ask_one(struct dns_resolver *r, struct question *q, instant deadline,
    bool *secure)
{
	const struct question *a = dns_ask_kept(r, q, deadline);

	*secure = r->trusted && a->authentic;
	return a;
}

enum dns_result
dns_lookup_family(struct dns_resolver *r, struct span name, unsigned char size,
    instant deadline, struct ip *out, size_t max, size_t *n, bool *secure)
{
	struct question q = { .parse = size == 4 ? dns_parse_a4 :
						   dns_parse_a6 };
	const struct question *a;
	const unsigned char *p = NULL;
	int count = 0;

	*n = 0;
	*secure = false;
	q.wire.type = size == 4 ? DNS_T_A : DNS_T_AAAA;
	if (!any_name(name, q.wire.dn))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	if (a->records != NULL && size == 4) {
		count = ((struct dns_rr_a4 *)a->records)->dnsa4_nrr;
		p = (void *)((struct dns_rr_a4 *)a->records)->dnsa4_addr;
	} else if (a->records != NULL) {
		count = ((struct dns_rr_a6 *)a->records)->dnsa6_nrr;
		p = (void *)((struct dns_rr_a6 *)a->records)->dnsa6_addr;
	}
	for (int i = 0; i < count && *n < max; i++, p += size) {
		out[*n] = (struct ip){ .size = size };
		memcpy(out[(*n)++].octets, p, size);
	}
	free(q.records);
	return dns_result_of(a);
}

/* False: nobody could be asked for such a name. */
static bool
txt_question(struct span name, struct question *q)
{
	*q = (struct question){ .parse = dns_parse_txt };
	q->wire.type = DNS_T_TXT;
	return any_name(name, q->wire.dn);
}

void
dns_ahead_txt(struct dns_resolver *r, struct span name)
{
	struct question q;

	if (txt_question(name, &q))
		dns_ask_ahead(r, &q);
}

enum dns_result
dns_lookup_txt(struct dns_resolver *r, struct span name, instant deadline,
    struct dns_texts *out, bool *secure)
{
	const struct question *a;
	const struct dns_rr_txt *rr;
	struct question q;

	*out = (struct dns_texts){ .text = NULL };
	*secure = false;
	if (!txt_question(name, &q))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	rr = a->records;
	if (rr == NULL)
		return dns_result_of(a);
	out->records = q.records;
	out->text = calloc((size_t)rr->dnstxt_nrr + 1, sizeof(*out->text));
	if (out->text == NULL) {
		dns_free_texts(out);
		return DNS_TEMPORARY;
	}
	for (int i = 0; i < rr->dnstxt_nrr; i++)
		out->text[out->n++] = span_of(rr->dnstxt_txt[i].txt,
		    (size_t)rr->dnstxt_txt[i].len);
	return dns_result_of(a);
}

void
dns_free_texts(struct dns_texts *t)
{
	free(t->text);
	free(t->records);
	*t = (struct dns_texts){ .text = NULL };
}

static bool
reverse_name(const struct ip *ip, dnsc_t dn[DNS_MAXDN])
{
	struct in_addr a4;
	struct in6_addr a6;

	if (ip->size == 4) {
		memcpy(&a4, ip->octets, sizeof(a4));
		return dns_a4todn(&a4, NULL, dn, DNS_MAXDN) > 0;
	}
	memcpy(&a6, ip->octets, sizeof(a6));
	return ip->size == 16 && dns_a6todn(&a6, NULL, dn, DNS_MAXDN) > 0;
}

static bool
ptr_question(const struct ip *ip, struct question *q)
{
	*q = (struct question){ .parse = dns_parse_ptr };
	q->wire.type = DNS_T_PTR;
	return reverse_name(ip, q->wire.dn);
}

void
dns_ahead_ptr(struct dns_resolver *r, const struct ip *ip)
{
	struct question q;

	if (ptr_question(ip, &q))
		dns_ask_ahead(r, &q);
}

enum dns_result
dns_lookup_ptr(struct dns_resolver *r, const struct ip *ip, instant deadline,
    struct dns_host *out, size_t max, size_t *n, bool *secure)
{
	const struct question *a;
	const struct dns_rr_ptr *rr;
	struct question q;

	*n = 0;
	*secure = false;
	if (!ptr_question(ip, &q))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	rr = a->records;
	for (int i = 0; rr != NULL && i < rr->dnsptr_nrr && *n < max; i++) {
		size_t len = strlen(rr->dnsptr_ptr[i]);
		dnsc_t dn[DNS_MAXDN];

		if (!dns_wire_name(span_of(rr->dnsptr_ptr[i], len), dn))
			continue;
		memcpy(out[(*n)++].name, rr->dnsptr_ptr[i], len + 1);
	}
	free(q.records);
	return dns_result_of(a) == DNS_FOUND && *n == 0 ? DNS_NODATA :
							  dns_result_of(a);
}
