/* SPDX-License-Identifier: ISC */
/* The macros of SPF (RFC 7208 section 7): checked, and expanded. */
#ifndef SPF_MACRO_H
#define SPF_MACRO_H

#include "cidr.h"
#include "sbuf.h"

/* Is s a macro-string, a domain-spec? Of the letters, those of exp are not. */
bool spf_macro_is_string(struct span s);
bool spf_macro_is_domain(struct span s);

/* Does it say %{p}, for which DNS must be asked? */
bool spf_macro_needs_name(struct span s);

/* What the letters stand for. */
struct spf_subject {
	struct span local, sender_domain, helo;
	struct span domain; /* the one whose record it is */
	struct span name;   /* the validated name of the client */
	struct ip ip;
};

/*
 * Appends the name that a domain-spec means: without a dot at its end, cut
 * at its front to the 253 octets of a name. It need not be a good one.
 */
void spf_macro_expand(struct sbuf *, struct span spec,
    const struct spf_subject *);

#endif
