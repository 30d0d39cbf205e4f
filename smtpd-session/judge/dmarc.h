/* SPDX-License-Identifier: ISC */
/* DMARC (RFC 9989): whether From is authenticated, and what its domain asks. */
#ifndef DMARC_H
#define DMARC_H

#include "dmarc-record.h"
#include "from.h"
#include "resolve.h"

#define DMARC_IDENTIFIERS_MAX 12 /* of DKIM and SPF together */

enum dmarc_result {
	DMARC_NONE, /* the domain has no policy */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR,
	DMARC_PERMERROR, /* there is no telling whose mail it is */
};

const char *dmarc_result_text(enum dmarc_result);

/* A domain that SPF or DKIM has found responsible. */
struct dmarc_identifier {
	struct span domain;
	bool spf;       /* else DKIM */
	bool temporary; /* it would perhaps have passed */
};

struct dmarc_verdict {
	enum dmarc_result result;
	enum dmarc_policy policy;          /* what to do; NONE unless FAIL */
	const char *reason;                /* "" or a few words of ours */
	const char *tag;                   /* whence the policy: p, sp or np */
	char domain[DNS_NAME_SIZE];        /* of From; "" without any */
	char policy_domain[DNS_NAME_SIZE]; /* whose record it is */
};

/*
 * One author domain, lower case, against the identifiers. Alignment is
 * decided here alone: libopendmarc's lets strangers pass.
 */
void dmarc_evaluate(struct resolve *, const char *author,
    const struct dmarc_identifier *, size_t n, struct dmarc_verdict *);

/* What is asked first for that From can be on its way. */
void dmarc_ahead(struct resolve *, const struct from *);

/*
 * All that From says: each of its domains must pass, and the strictest of
 * their policies counts. A From that readers may understand differently is
 * PERMERROR, unless one of its domains asks for more.
 */
void dmarc_check(struct resolve *, const struct from *,
    const struct dmarc_identifier *, size_t n, struct dmarc_verdict *);

#endif
