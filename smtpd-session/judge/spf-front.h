/* SPDX-License-Identifier: ISC */
/* check_host() of RFC 7208: a strict front, and libspf2 behind it. */
#ifndef SPF_FRONT_H
#define SPF_FRONT_H

#include "resolve.h"
#include "spf-macro.h"
#include "spf-term.h"

enum spf_result {
	SPF_FRONT_NONE,
	SPF_FRONT_NEUTRAL,
	SPF_FRONT_PASS,
	SPF_FRONT_FAIL,
	SPF_FRONT_SOFTFAIL,
	SPF_FRONT_TEMPERROR,
	SPF_FRONT_PERMERROR,
};

/* "pass", as in Received-SPF and Authentication-Results. */
const char *spf_result_text(enum spf_result);

/*
 * Debian's libspf2 1.2.10 overflows its stack on records with many macros,
 * loses the end of long ones and asks without bounds. So it never sees one,
 * nor any octet of a stranger's: a record is parsed here, its macros are
 * expanded, ip4 and ip6 decided, and what is left of it is written anew with
 * names of our own, as in "v=spf1 ?a:n1.spf -include:n2.spf -all". When the
 * library looks such a name up, it is here that the real one is asked for,
 * that terms and void answers are counted, and that all ends when there are
 * too many.
 *
 * The domain of the sender must be set; the local-part too (postmaster, for
 * the identity HELO and the null reverse-path).
 */
enum spf_result spf_check(struct resolve *, const struct spf_subject *);

/* The record of the domain can be on its way. */
void spf_ahead(struct resolve *, struct span domain);

/* Between the front's files, its test and its fuzzer. */

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
 * Appends to out the record that the library gets for this one, which is what
 * follows its version. False: a syntax error.
 */
bool spf_translate(struct spf *, struct span record, struct span domain,
    struct sbuf *out) MUST_CHECK;

/* Ends it all: the first result that is given stays. */
void spf_end(struct spf *, enum spf_result);

#endif
