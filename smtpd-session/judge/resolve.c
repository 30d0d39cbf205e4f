/* SPDX-License-Identifier: ISC */
/* Where the judge asks: one deadline and one limit of queries a message. */
#include "resolve.h"

/*
 * Two SPF checks may ask 2 * (1 + 10 * 11), a signature asks once, DMARC at
 * most 9 times a domain: nobody honest comes near it.
 */
#define QUERIES_MAX 300

static bool
may_ask(struct resolve *l)
{
	l->secure = false;
	return l->queries++ < QUERIES_MAX && clock_left(l->deadline) != 0;
}

static enum dns_result
txt(struct resolve *l, struct span name, struct dns_texts *out)
{
	*out = (struct dns_texts){ .text = NULL };
	if (!may_ask(l))
		return DNS_TEMPORARY;
	return dns_lookup_txt(l->source, name, l->deadline, out, &l->secure);
}

static enum dns_result
family(struct resolve *l, struct span name, unsigned char size, struct ip *out,
    size_t max, size_t *n)
{
	*n = 0;
	if (!may_ask(l))
		return DNS_TEMPORARY;
	return dns_lookup_family(l->source, name, size, l->deadline, out, max,
	    n, &l->secure);
}

static enum dns_result
mx(struct resolve *l, struct span name, struct dns_mx_host *out, size_t max,
    size_t *n)
{
	*n = 0;
	if (!may_ask(l))
		return DNS_TEMPORARY;
	return dns_lookup_mx(l->source, name, l->deadline, out, max, n,
	    &l->secure);
}

static enum dns_result
ptr(struct resolve *l, const struct ip *ip, struct dns_host *out, size_t max,
    size_t *n)
{
	*n = 0;
	if (!may_ask(l))
		return DNS_TEMPORARY;
	return dns_lookup_ptr(l->source, ip, l->deadline, out, max, n,
	    &l->secure);
}

void
resolve_init(struct resolve *l, struct dns_resolver *r)
{
	*l = (struct resolve){
		.txt = txt, .family = family, .mx = mx, .ptr = ptr, .source = r
	};
}

void
resolve_start(struct resolve *l, uint64_t ms)
{
	l->queries = 0;
	l->deadline = clock_in(ms);
}
