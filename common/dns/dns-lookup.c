/* SPDX-License-Identifier: ISC */
/* Look-ups by the type of record: what is asked for, and what is made of it. */
#include <stdlib.h>

#include "dns-parts.h"

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
mx_hosts(const struct dns_rr_mx *rr, struct dns_mx_host *out, size_t max,
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
	struct question q = { .parse = dns_parse_mx };
	const struct question *a;

	*n = 0;
	*secure = false;
	q.wire.type = DNS_T_MX;
	if (!dns_wire_name(name, q.wire.dn))
		return DNS_BAD_NAME;
	a = dns_ask_kept(r, &q, deadline);
	*secure = r->trusted && a->authentic;
	if (a->records != NULL)
		mx_hosts(a->records, out, max, n);
	free(q.records);
	return dns_result_of(a);
}

static void
addresses(const void *octets, unsigned char size, int count, struct ip *out,
    size_t max, size_t *n)
{
	const unsigned char *p = octets;

	for (int i = 0; i < count && *n < max; i++, p += size) {
		out[*n] = (struct ip){ .size = size };
		memcpy(out[*n].octets, p, size);
		(*n)++;
	}
}

enum dns_result
dns_lookup_addresses(struct dns_resolver *r, struct span name, instant deadline,
    struct ip *out, size_t max, size_t *n, bool *secure)
{
	struct question q[2] = { { .parse = dns_parse_a6 },
		{ .parse = dns_parse_a4 } };
	enum dns_result six, four;

	*n = 0;
	*secure = false;
	q[0].wire.type = DNS_T_AAAA;
	q[1].wire.type = DNS_T_A;
	if (!dns_wire_name(name, q[0].wire.dn) ||
	    !dns_wire_name(name, q[1].wire.dn))
		return DNS_BAD_NAME;
	dns_ask(r, q, nitems(q), deadline);
	if (q[0].records != NULL) {
		const struct dns_rr_a6 *rr = q[0].records;

		/* Leave room for the others. */
		addresses(rr->dnsa6_addr, 16, rr->dnsa6_nrr, out, (max + 1) / 2,
		    n);
	}
	if (q[1].records != NULL) {
		const struct dns_rr_a4 *rr = q[1].records;

		addresses(rr->dnsa4_addr, 4, rr->dnsa4_nrr, out, max, n);
	}
	*secure = r->trusted && q[0].authentic && q[1].authentic;
	six = dns_result_of(&q[0]);
	four = dns_result_of(&q[1]);
	free(q[0].records);
	free(q[1].records);
	if (*n > 0)
		return DNS_FOUND;
	return six == DNS_TEMPORARY ? six : four == DNS_FOUND ? six : four;
}
