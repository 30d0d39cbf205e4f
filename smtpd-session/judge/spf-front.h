/* SPDX-License-Identifier: ISC */
/* check_host() of RFC 7208: a strict front, and libspf2 behind it. */
#ifndef SPF_FRONT_H
#define SPF_FRONT_H

#include "ip.h"
#include "resolve.h"
#include "sbuf.h"

enum spf_result {
	SPF_FRONT_NONE,
	SPF_FRONT_NEUTRAL,
	SPF_FRONT_PASS,
	SPF_FRONT_FAIL,
	SPF_FRONT_SOFTFAIL,
	SPF_FRONT_TEMPERROR,
	SPF_FRONT_PERMERROR,
};

/* A client and a sender: what the letters of macros mean. */
struct spf_subject {
	struct span local, sender_domain, helo;
	struct span domain; /* the one whose record it is */
	struct span name;   /* the validated name of the client */
	struct ip ip;
};

/* "pass", as in Received-SPF and Authentication-Results. */
const char *spf_result_text(enum spf_result);

/*
 * Debian's libspf2 1.2.10 overflows its stack on records with many macros,
 * loses the end of long ones and asks without bounds. So it never sees one,
 * nor any octet of a stranger's: a record is parsed here, its macros are
 * expanded, ip4 and ip6 decided, and what is left of it is written anew with
 * names of our own, as in "v=spf1 ?a:n1.spf -include:n2.spf -all". When the
 * library looks such a name up, the front asks for the real one, counts terms
 * and void answers, and ends the check when there are too many.
 *
 * The domain of the sender must be set; the local-part too (postmaster, for
 * the identity HELO and the null reverse-path).
 */
enum spf_result spf_check(struct resolve *, const struct spf_subject *);

/* Asks ahead for the record of the domain. */
void spf_ahead(struct resolve *, struct span domain);

/* --- spf-record.c: one record, term by term (RFC 7208 section 12) --------- */

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

/* Is this TXT record one of SPF? Then *rest is the text behind the version. */
bool spf_is_record(struct span text, struct span *rest);

/* Takes the next term off *rest. */
enum spf_next { SPF_NEXT_TERM, SPF_NEXT_END, SPF_NEXT_BAD };
enum spf_next spf_term_next(struct span *rest, struct spf_term *);

/* IP4, IP6: is the address in the network? */
bool spf_term_covers(const struct spf_term *, const struct ip *);

/* Is s a macro-string, a domain-spec? Of the letters, those of exp are not. */
bool spf_macro_is_string(struct span s);
bool spf_macro_is_domain(struct span s);

/* Does it say %{p}, for which DNS must be asked? */
bool spf_macro_needs_name(struct span s);

/*
 * Appends the name that a domain-spec means: without a dot at its end, cut
 * at its front to the 253 octets of a name. DNS may not take it as one.
 */
void spf_macro_expand(struct sbuf *, struct span spec,
    const struct spf_subject *);

/* --- the front, for its test ---------------------------------------------- */

#define SPF_TERMS_MAX 10 /* RFC 7208 4.6.4 */
#define SPF_VOIDS_MAX 2
#define SPF_HOSTS_MAX 10 /* of one mx, one ptr, one %{p} */
/* Each record has at most 11 terms that ask, and there are 11 records. */
#define SPF_NAMES_MAX 300

struct spf_name {
	enum spf_kind kind; /* SPF_OTHER: the host of an mx */
	bool any_address;   /* a or mx with a prefix length of 0 */
	char text[DNS_NAME_SIZE];
};

struct spf {
	struct resolve *lookup;
	struct spf_subject who;
	enum spf_result end; /* decided here, and not by the library */
	bool ended;
	unsigned terms, voids;
	struct dns_host hosts[SPF_HOSTS_MAX]; /* validated names */
	size_t nhosts;
	bool hosts_known;
	unsigned nnames;
	struct spf_name names[SPF_NAMES_MAX];
};

/*
 * record is the text behind the version. Appends to out the record that the
 * library gets in its place. False: a syntax error.
 */
bool spf_translate(struct spf *, struct span record, struct span domain,
    struct sbuf *out) MUST_CHECK;

#endif
