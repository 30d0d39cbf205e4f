/* SPDX-License-Identifier: ISC */
/* Look-ups by the type of record: what is asked for, and what is made of it. */
#include <netinet/in.h>

#include <stdlib.h>
#include <udns.h>

#include "dns.h"

#define LABEL_MAX 63

/* Asks *q: records, unless they are kept, are the caller's to free in *q. */
static const struct dns_question *
ask_one(struct dns_resolver *r, struct dns_question *q, instant deadline,
    bool *secure)
{
	const struct dns_question *a = dns_ask_kept(r, q, deadline);

	*secure = r->trusted && a->authentic;
	return a;
}

/* --- names ---------------------------------------------------------------- */

/* A host or service name. False: nobody could be asked for such a name. */
static bool
host_to_wire(struct span name, dnsc_t dn[DNS_MAXDN])
{
	char text[DNS_NAME_SIZE];

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) &&
		    memchr("-_.", name.p[i], 3) == NULL)
			return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return dns_sptodn(text, dn, DNS_MAXDN) > 0;
}

/* Unlike a host name's, the octets may be any that print. */
static bool
name_to_wire(struct span name, dnsc_t dn[DNS_MAXDN])
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

static bool
reverse_to_wire(const struct ip *ip, dnsc_t dn[DNS_MAXDN])
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

/* --- MX ------------------------------------------------------------------- */

/* Where the next one goes; when all places are taken, only a better one. */
static struct dns_mx_host *
mx_place(struct dns_mx_host *out, size_t max, size_t *n, int preference)
{
	struct dns_mx_host *worst = NULL;

	if (*n < max)
		return &out[(*n)++];
	for (size_t i = 0; i < max; i++)
		if (worst == NULL || out[i].preference > worst->preference)
			worst = &out[i];
	return worst != NULL && preference < worst->preference ? worst : NULL;
}

static void
copy_mx_hosts(const struct dns_rr_mx *rr, struct dns_mx_host *out, size_t max,
    size_t *n)
{
	for (int i = 0; i < rr->dnsmx_nrr; i++) {
		const struct dns_mx *mx = &rr->dnsmx_mx[i];
		size_t len = strlen(mx->name);
		struct dns_mx_host *to;

		if (len > DNS_NAME_MAX)
			continue;
		to = mx_place(out, max, n, mx->priority);
		if (to == NULL)
			continue;
		memcpy(to->name, mx->name, len + 1);
		to->preference = (uint16_t)mx->priority;
	}
}

enum dns_result
dns_lookup_mx(struct dns_resolver *r, struct span name, instant deadline,
    struct dns_mx_host *out, size_t max, size_t *n, bool *secure)
{
	struct dns_question q = { .type = DNS_T_MX, .parse = dns_parse_mx };
	const struct dns_question *a;

	*n = 0;
	*secure = false;
	if (!host_to_wire(name, q.dn))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	if (a->records != NULL)
		copy_mx_hosts(a->records, out, max, n);
	free(q.records);
	return dns_result_of(a);
}

/* --- addresses ------------------------------------------------------------ */

static struct dns_question
address_question(unsigned char size)
{
	return size == 4 ?
	    (struct dns_question){ .type = DNS_T_A, .parse = dns_parse_a4 } :
	    (struct dns_question){ .type = DNS_T_AAAA, .parse = dns_parse_a6 };
}

/* The addresses that were found go behind the *n that are there. */
static void
copy_addresses(const struct dns_question *a, struct ip *out, size_t max,
    size_t *n)
{
	const struct dns_rr_a4 *four = a->records;
	const struct dns_rr_a6 *six = a->records;
	unsigned char size = a->type == DNS_T_A ? 4 : 16;
	const unsigned char *p;
	int count;

	if (a->records == NULL)
		return;
	p = size == 4 ? (const void *)four->dnsa4_addr :
			(const void *)six->dnsa6_addr;
	count = size == 4 ? four->dnsa4_nrr : six->dnsa6_nrr;
	for (int i = 0; i < count && *n < max; i++, p += size) {
		out[*n] = (struct ip){ .size = size };
		memcpy(out[(*n)++].octets, p, size);
	}
}

enum dns_result
dns_lookup_addresses(struct dns_resolver *r, struct span name, instant deadline,
    struct ip *out, size_t max, size_t *n, bool *secure)
{
	struct dns_question q[2] = { address_question(16),
		address_question(4) };
	enum dns_result six, four;

	*n = 0;
	*secure = false;
	if (!host_to_wire(name, q[0].dn) || !host_to_wire(name, q[1].dn))
		return DNS_BAD_NAME;
	dns_ask(r, q, nitems(q), deadline);
	copy_addresses(&q[0], out, (max + 1) / 2, n); /* room for the others */
	copy_addresses(&q[1], out, max, n);
	*secure = r->trusted && q[0].authentic && q[1].authentic;
	six = dns_result_of(&q[0]);
	four = dns_result_of(&q[1]);
	free(q[0].records);
	free(q[1].records);
	if (*n > 0)
		return DNS_FOUND;
	return six == DNS_TEMPORARY ? six : four == DNS_FOUND ? six : four;
}

enum dns_result
dns_lookup_family(struct dns_resolver *r, struct span name, unsigned char size,
    instant deadline, struct ip *out, size_t max, size_t *n, bool *secure)
{
	struct dns_question q = address_question(size);
	const struct dns_question *a;

	*n = 0;
	*secure = false;
	if (!name_to_wire(name, q.dn))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	copy_addresses(a, out, max, n);
	free(q.records);
	return dns_result_of(a);
}

/* --- TXT ------------------------------------------------------------------ */

static bool
txt_question(struct span name, struct dns_question *q)
{
	*q = (struct dns_question){ .type = DNS_T_TXT, .parse = dns_parse_txt };
	return name_to_wire(name, q->dn);
}

void
dns_ahead_txt(struct dns_resolver *r, struct span name)
{
	struct dns_question q;

	if (txt_question(name, &q))
		dns_ask_ahead(r, &q);
}

enum dns_result
dns_lookup_txt(struct dns_resolver *r, struct span name, instant deadline,
    struct dns_texts *out, bool *secure)
{
	const struct dns_question *a;
	const struct dns_rr_txt *rr;
	struct dns_question q;

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

/* --- PTR ------------------------------------------------------------------ */

static bool
ptr_question(const struct ip *ip, struct dns_question *q)
{
	*q = (struct dns_question){ .type = DNS_T_PTR, .parse = dns_parse_ptr };
	return reverse_to_wire(ip, q->dn);
}

void
dns_ahead_ptr(struct dns_resolver *r, const struct ip *ip)
{
	struct dns_question q;

	if (ptr_question(ip, &q))
		dns_ask_ahead(r, &q);
}

enum dns_result
dns_lookup_ptr(struct dns_resolver *r, const struct ip *ip, instant deadline,
    struct dns_host *out, size_t max, size_t *n, bool *secure)
{
	const struct dns_question *a;
	const struct dns_rr_ptr *rr;
	struct dns_question q;

	*n = 0;
	*secure = false;
	if (!ptr_question(ip, &q))
		return DNS_BAD_NAME;
	a = ask_one(r, &q, deadline, secure);
	rr = a->records;
	for (int i = 0; rr != NULL && i < rr->dnsptr_nrr && *n < max; i++) {
		size_t len = strlen(rr->dnsptr_ptr[i]);
		dnsc_t dn[DNS_MAXDN];

		if (!host_to_wire(span_of(rr->dnsptr_ptr[i], len), dn))
			continue;
		memcpy(out[(*n)++].name, rr->dnsptr_ptr[i], len + 1);
	}
	free(q.records);
	return dns_result_of(a) == DNS_FOUND && *n == 0 ? DNS_NODATA :
							  dns_result_of(a);
}
