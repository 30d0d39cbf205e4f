/* SPDX-License-Identifier: ISC */
/* Where the judge asks: so long for a message, and so often for each step. */
#include "resolve.h"

/*
 * One SPF check asks 1 + 11 * 12 times and 22 more for names, DMARC for one
 * author at most 8 times for each identifier: nobody honest comes near it.
 */
#define STEP_QUERIES 160

static bool
begin(struct resolve *l)
{
	l->secure = false;
	if (l->quota == 0 || l->step == 0)
		return false;
	l->quota--;
	l->queries++;
	l->began = clock_now();
	return true;
}

static void
spend(uint64_t *ms, uint64_t spent)
{
	*ms -= spent < *ms ? spent : *ms;
}

static enum dns_result
end(struct resolve *l, enum dns_result r)
{
	uint64_t spent = clock_now() - l->began;

	spend(&l->left, spent);
	spend(&l->step, spent);
	return r;
}

static enum dns_result
txt(struct resolve *l, struct span name, struct dns_texts *out)
{
	*out = (struct dns_texts){ .text = NULL };
	if (!begin(l))
		return DNS_TEMPORARY;
	return end(l,
	    dns_lookup_txt(l->source, name, clock_in(l->step), out,
		&l->secure));
}

static enum dns_result
family(struct resolve *l, struct span name, unsigned char size, struct ip *out,
    size_t max, size_t *n)
{
	*n = 0;
	if (!begin(l))
		return DNS_TEMPORARY;
	return end(l,
	    dns_lookup_family(l->source, name, size, clock_in(l->step), out,
		max, n, &l->secure));
}

static enum dns_result
mx(struct resolve *l, struct span name, struct dns_mx_host *out, size_t max,
    size_t *n)
{
	*n = 0;
	if (!begin(l))
		return DNS_TEMPORARY;
	return end(l,
	    dns_lookup_mx(l->source, name, clock_in(l->step), out, max, n,
		&l->secure));
}

static enum dns_result
ptr(struct resolve *l, const struct ip *ip, struct dns_host *out, size_t max,
    size_t *n)
{
	*n = 0;
	if (!begin(l))
		return DNS_TEMPORARY;
	return end(l,
	    dns_lookup_ptr(l->source, ip, clock_in(l->step), out, max, n,
		&l->secure));
}

static void
ahead_txt(struct resolve *l, struct span name)
{
	dns_ahead_txt(l->source, name);
}

static void
ahead_ptr(struct resolve *l, const struct ip *ip)
{
	dns_ahead_ptr(l->source, ip);
}

void
resolve_init(struct resolve *l, struct dns_resolver *r)
{
	*l = (struct resolve){ .txt = txt,
		.family = family,
		.mx = mx,
		.ptr = ptr,
		.ahead_txt = ahead_txt,
		.ahead_ptr = ahead_ptr,
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
	if (l->ahead_txt != NULL)
		l->ahead_txt(l, name);
}

void
resolve_ahead_ptr(struct resolve *l, const struct ip *ip)
{
	if (l->ahead_ptr != NULL)
		l->ahead_ptr(l, ip);
}
