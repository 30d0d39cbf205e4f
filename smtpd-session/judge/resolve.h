/* SPDX-License-Identifier: ISC */
/* Where the judge asks: the resolver, or a table in a test. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "dns/dns.h"

/*
 * What each gives, and whose it is then, is as in dns.h. There is so much
 * time for all that is asked for a message, and of it so much for each step;
 * what comes too late or is one query too many is DNS_TEMPORARY.
 *
 * Only waiting for answers counts: who sends a message slowly must not have
 * it go unjudged. And no step can take the time of another: who makes us ask
 * his own dead servers must not keep us from those of whom he claims to be.
 */
struct resolve {
	enum dns_result (*txt)(struct resolve *, struct span name,
	    struct dns_texts *);
	enum dns_result (*family)(struct resolve *, struct span name,
	    unsigned char size, struct ip *, size_t max, size_t *n);
	enum dns_result (*mx)(struct resolve *, struct span name,
	    struct dns_mx_host *, size_t max, size_t *n);
	enum dns_result (*ptr)(struct resolve *, const struct ip *,
	    struct dns_host *, size_t max, size_t *n);
	/* NULL, or what is asked so early that nobody need wait: no query. */
	void (*ahead_txt)(struct resolve *, struct span name);
	void (*ahead_ptr)(struct resolve *, const struct ip *);
	bool secure;      /* the last answer was validated */
	unsigned queries; /* asked for this message */
	unsigned quota;   /* how many more this step may ask */
	uint64_t left;    /* ms for this message */
	uint64_t step;    /* and for this step */
	instant began;
	void *source;
};

/* The resolver must stay open. */
void resolve_init(struct resolve *, struct dns_resolver *);

/* A message begins: it has so much time. */
void resolve_start(struct resolve *, uint64_t ms);

/* A step of it begins, and may take so much of what is left. */
void resolve_step(struct resolve *, uint64_t ms);

/* It will probably be asked for: the question can be on its way already. */
void resolve_ahead_txt(struct resolve *, struct span name);
void resolve_ahead_ptr(struct resolve *, const struct ip *);

#endif
