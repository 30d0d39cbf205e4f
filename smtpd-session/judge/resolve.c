/* SPDX-License-Identifier: ISC */
/* How the judge asks DNS: so long for a message, so often for each step. */
#include "resolve.h"

/*
 * One SPF check asks 1 + 11 * 12 times and 22 more for names, DMARC for one
 * author at most 8 times for each identifier: honest mail does not come near.
 */
#define STEP_QUERIES 160
#define ADDRESSES_MAX 64 /* of one name, when one is looked for */

static bool
resolve_begin(struct resolve *l)
{
	if (l->quota == 0 || l->step == 0)
		return false;
	l->quota--;
	l->queries++;
	l->began = clock_now();
	return true;
}

static void
resolve_spend(uint64_t *ms, uint64_t spent)
{
	*ms -= spent < *ms ? spent : *ms;
}

static enum dns_result
resolve_end(struct resolve *l, enum dns_result r)
{
	uint64_t spent = clock_now() - l->began;

	resolve_spend(&l->left, spent);
	resolve_spend(&l->step, spent);
	return r;
}

static enum dns_result
resolve_txt(struct resolve *l, struct span name, struct dns_texts *out)
{
	bool secure;

	*out = (struct dns_texts){ .text = NULL };
	if (!resolve_begin(l))
		return DNS_TEMPORARY;
	return resolve_end(l,
	    dns_lookup_txt(l->source, name, clock_in(l->step), out, &secure));
}

static enum dns_result
resolve_family(struct resolve *l, struct span name, unsigned char size,
    struct ip *out, size_t max, size_t *n)
{
	bool secure;

	*n = 0;
	if (!resolve_begin(l))
		return DNS_TEMPORARY;
	return resolve_end(l,
	    dns_lookup_family(l->source, name, size, clock_in(l->step), out,
		max, n, &secure));
}

static enum dns_result
resolve_mx(struct resolve *l, struct span name, struct dns_mx_host *out,
    size_t max, size_t *n)
{
	bool secure;

	*n = 0;
	if (!resolve_begin(l))
		return DNS_TEMPORARY;
	return resolve_end(l,
	    dns_lookup_mx(l->source, name, clock_in(l->step), out, max, n,
		&secure));
}

static enum dns_result
resolve_ptr(struct resolve *l, const struct ip *ip, struct dns_host *out,
    size_t max, size_t *n)
{
	bool secure;

	*n = 0;
	if (!resolve_begin(l))
		return DNS_TEMPORARY;
	return resolve_end(l,
	    dns_lookup_ptr(l->source, ip, clock_in(l->step), out, max, n,
		&secure));
}

void
resolve_init(struct resolve *l, struct dns_resolver *r)
{
	*l = (struct resolve){ .txt = resolve_txt,
		.family = resolve_family,
		.mx = resolve_mx,
		.ptr = resolve_ptr,
		.ahead = true,
		.source = r };
}

void
resolve_start(struct resolve *l, uint64_t ms)
{
	l->queries = 0;
	l->left = ms;
	resolve_step(l, ms);
}

void
resolve_step(struct resolve *l, uint64_t ms)
{
	l->step = ms < l->left ? ms : l->left;
	l->quota = STEP_QUERIES;
}

void
resolve_ahead_txt(struct resolve *l, struct span name)
{
	if (l->ahead)
		dns_ahead_txt(l->source, name);
}

void
resolve_ahead_ptr(struct resolve *l, const struct ip *ip)
{
	if (l->ahead)
		dns_ahead_ptr(l->source, ip);
}

enum dns_result
resolve_has_address(struct resolve *l, struct span name, const struct ip *ip,
    bool *has)
{
	struct ip all[ADDRESSES_MAX];
	size_t n;
	enum dns_result r = l->family(l, name, ip->size, all, nitems(all), &n);

	*has = false;
	for (size_t i = 0; i < n; i++)
		if (memcmp(all[i].octets, ip->octets, ip->size) == 0)
			*has = true;
	return r;
}
