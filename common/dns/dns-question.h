/* SPDX-License-Identifier: ISC */
/* One question and its answer, as dns-lookup.c asks dns.c. */
#ifndef DNS_QUESTION_H
#define DNS_QUESTION_H

#include <udns.h>

#include "dns.h"

struct dns_question {
	dnsc_t dn[DNS_MAXDN]; /* the name, as on the wire */
	int type;             /* class IN */
	dns_parse_fn *parse;

	/* What is known of the answer. */
	void *records;    /* malloc'ed by parse */
	int status;       /* DNS_E_... */
	unsigned context; /* which of the resolver's has it; 0: none */
	bool kept;        /* it outlives the call that asks it */
	bool ahead;       /* kept, and no look-up has asked for it yet */
	bool done, truncated, authentic;
	union endpoint answerer; /* once truncated or done with an answer */
};

/* Asks all n at once; each then has its status and, if found, records. */
void dns_ask(struct dns_resolver *, struct dns_question *, size_t n,
    instant deadline);
enum dns_result dns_result_of(const struct dns_question *);

/*
 * The same for one, with the answers that are kept: gives the kept answer,
 * which stays there, or *q itself.
 */
const struct dns_question *dns_ask_kept(struct dns_resolver *,
    struct dns_question *q, instant deadline) MUST_CHECK;

/* Asks and does not wait. */
void dns_ask_ahead(struct dns_resolver *, const struct dns_question *);

#endif
