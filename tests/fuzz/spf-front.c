/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes the SPF front and, behind it, libspf2: the first lines of the input
 * are the local-part, HELO and domain, each further one is an SPF record, in
 * the order in which they are asked for. Every name has addresses and hosts.
 */
#include <stdlib.h>

#include "spf-front.h"

static struct span rest;
static struct span record;

static enum dns_result
txt(struct resolve *r, struct span name, struct dns_texts *out)
{
	(void)name;
	r->queries++;
	*out = (struct dns_texts){ .text = NULL };
	if (rest.n == 0)
		return DNS_NXDOMAIN;
	record = span_cut(&rest, '\n');
	out->text = malloc(sizeof(*out->text));
	if (out->text == NULL)
		abort();
	out->text[out->n++] = record;
	return DNS_FOUND;
}

static enum dns_result
family(struct resolve *r, struct span name, unsigned char size, struct ip *out,
    size_t max, size_t *n)
{
	r->queries++;
	*n = 0;
	if (name.n % 5 == 0)
		return name.n % 2 == 0 ? DNS_NODATA : DNS_TEMPORARY;
	for (; *n < max && *n < name.n; (*n)++) {
		out[*n] = (struct ip){ .size = size };
		out[*n].octets[0] = (unsigned char)*n;
	}
	return DNS_FOUND;
}

static enum dns_result
mx(struct resolve *r, struct span name, struct dns_mx_host *out, size_t max,
    size_t *n)
{
	r->queries++;
	for (*n = 0; *n < max && *n < name.n % 13; (*n)++) {
		memset(out[*n].name, 'a', name.n);
		out[*n].name[name.n] = '\0';
	}
	return *n == 0 ? DNS_NODATA : DNS_FOUND;
}

static enum dns_result
ptr(struct resolve *r, const struct ip *ip, struct dns_host *out, size_t max,
    size_t *n)
{
	r->queries++;
	(void)ip;
	(void)max;
	memcpy(out[0].name, "mx.example.org", sizeof("mx.example.org"));
	*n = 1;
	return DNS_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolve dns = {
		.txt = txt, .family = family, .mx = mx, .ptr = ptr
	};
	struct spf_subject who = { .ip = { .size = 4 } };

	if (size == 0)
		return 0;
	if (data[0] % 2 == 1)
		who.ip.size = 16;
	rest = span_of(data, size);
	who.local = span_cut(&rest, '\n');
	who.helo = span_cut(&rest, '\n');
	who.sender_domain = span_cut(&rest, '\n');
	if (memchr(who.sender_domain.p, '\0', who.sender_domain.n) != NULL)
		return 0;
	(void)spf_check(&dns, &who);
	/* 11 terms, each at most an mx with ten hosts, and ptr. */
	if (dns.queries > 1 + 11 * 12 + 22)
		abort();
	return 0;
}
