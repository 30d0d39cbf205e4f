/* SPDX-License-Identifier: ISC */
/* How the judge asks DNS: so long for a message, so often for each step. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "dns/dns.h"

/*
 * The functions give what those of dns.h give. There is so much time for all
 * questions of a message, and so much of that for each step; an answer that
 * comes too late, or to one question too many, is DNS_TEMPORARY.
 *
 * Only waiting for answers counts: a client that sends its message slowly must
 * not get it through unjudged. And no step can use up the time of another: a
 * stranger who makes us ask his own dead servers must not keep us from asking
 * those of the domain that he claims.
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
	bool ahead;       /* source can be asked ahead */
	unsigned queries; /* asked for this message */
	unsigned quota;   /* how many more this step may ask */
	uint64_t left;    /* ms for this message */
	uint64_t step;    /* and for this step */
	instant began;
	void *source; /* a dns_resolver, or a table in a test */
};

/* The resolver must stay open. */
void resolve_init(struct resolve *, struct dns_resolver *);

/* A message begins: it has so much time. */
void resolve_start(struct resolve *, uint64_t ms);

/* A step of it begins, and may take so much of the time that is left. */
void resolve_step(struct resolve *, uint64_t ms);

/* Asks for records that will probably be needed; does not wait or count. */
void resolve_ahead_txt(struct resolve *, struct span name);
void resolve_ahead_ptr(struct resolve *, const struct ip *);

/* Is the address one of the name's? */
enum dns_result resolve_has_address(struct resolve *, struct span name,
    const struct ip *, bool *has);

#endif
