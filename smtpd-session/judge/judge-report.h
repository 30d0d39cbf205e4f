/* SPDX-License-Identifier: ISC */
/* What was found, as header fields: RFC 8601 and RFC 7208 section 9.1. */
#ifndef JUDGE_REPORT_H
#define JUDGE_REPORT_H

#include "dmarc.h"
#include "signatures.h"
#include "spf-front.h"

enum iprev_result {
	IPREV_PASS,
	IPREV_FAIL, /* its names have other addresses */
	IPREV_TEMPERROR,
	IPREV_PERMERROR, /* it has no name */
};

const char *iprev_result_text(enum iprev_result);

struct findings {
	struct ip ip;
	struct span helo;
	struct span local, domain; /* of the sender; empty: null sender */
	enum iprev_result iprev;
	char iprev_name[DNS_NAME_SIZE];
	enum spf_result spf_helo, spf_mailfrom; /* the latter with a sender */
	struct signature signatures[SIGNATURES_MAX];
	size_t nsignatures;
	struct dmarc_verdict dmarc;
};

/*
 * Appends Authentication-Results and, below it, Received-SPF: whole lines,
 * at most 998 octets long, printable ASCII whatever a stranger has written.
 */
void report_findings(struct sbuf *, const char *hostname,
    const struct findings *);

#endif
