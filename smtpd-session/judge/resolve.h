/* SPDX-License-Identifier: ISC */
/* Where the judge asks: the resolver, or a table in a test. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "dns/dns.h"

/*
 * What each gives, and whose it is then, is as in dns.h. All of one message
 * share one deadline and one limit of queries; what comes too late or is one
 * too many is DNS_TEMPORARY.
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
	bool secure;      /* the last answer was validated */
	unsigned queries; /* asked for this message */
	instant deadline;
	void *source;
};

/* The resolver must stay open. */
void resolve_init(struct resolve *, struct dns_resolver *);

/* A message begins: it has so much time. */
void resolve_start(struct resolve *, uint64_t ms);

#endif
