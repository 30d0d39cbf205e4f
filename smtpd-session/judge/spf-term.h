/* SPDX-License-Identifier: ISC */
/* One SPF record, term by term: the ABNF of RFC 7208 section 12. */
#ifndef SPF_TERM_H
#define SPF_TERM_H

#include "cidr.h"

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
	SPF_EXP,
	SPF_OTHER, /* an unknown modifier, to be ignored */
};

struct spf_term {
	enum spf_kind kind;
	char qualifier;        /* one of "+-~?" */
	struct span domain;    /* the domain-spec; empty: the current one */
	unsigned cidr4, cidr6; /* A, MX, IP4, IP6 */
	unsigned char net[16]; /* IP4, IP6 */
};

/* Is this TXT record one of SPF? Then *rest is what follows the version. */
bool spf_is_record(struct span text, struct span *rest);

/* Takes the next term off *rest. */
enum spf_next { SPF_NEXT_TERM, SPF_NEXT_END, SPF_NEXT_BAD };
enum spf_next spf_term_next(struct span *rest, struct spf_term *);

/* IP4, IP6: is the address in the network? */
bool spf_term_covers(const struct spf_term *, const struct ip *);

#endif
