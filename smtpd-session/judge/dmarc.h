/* SPDX-License-Identifier: ISC */
/* DMARC (RFC 9989): whether From is authenticated, and what its domain asks. */
#ifndef JUDGE_DMARC_H /* libopendmarc's header has DMARC_H */
#define JUDGE_DMARC_H

#include "judge-header.h"
#include "resolve.h"

#define DMARC_IDENTIFIERS_MAX 12 /* of DKIM and SPF together */

enum dmarc_result {
	DMARC_NONE, /* the domain has no policy */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR,
	DMARC_PERMERROR, /* From does not say clearly whose mail it is */
};

const char *dmarc_result_text(enum dmarc_result);

/* What a domain asks to do with mail that fails. */
enum dmarc_wish { DMARC_WISH_NONE, DMARC_WISH_QUARANTINE, DMARC_WISH_REJECT };

const char *dmarc_wish_text(enum dmarc_wish);

/* A domain that SPF or DKIM has found responsible. */
struct dmarc_identifier {
	struct span domain;
	bool spf;       /* else DKIM */
	bool temporary; /* it would perhaps have passed */
};

struct dmarc_verdict {
	enum dmarc_result result;
	enum dmarc_wish policy;            /* to be applied; NONE unless FAIL */
	const char *reason;                /* "" or a few words of ours */
	const char *tag;                   /* it comes from: p, sp or np */
	char domain[DNS_NAME_SIZE];        /* of From; "" without any */
	char policy_domain[DNS_NAME_SIZE]; /* whose record it is */
};

/*
 * One author domain, lower case, against the identifiers. Alignment is
 * decided here alone: libopendmarc's lets strangers pass.
 */
void dmarc_evaluate(struct resolve *, const char *author,
    const struct dmarc_identifier *, size_t n, struct dmarc_verdict *);

/* Asks ahead for the first records that mail with that From will need. */
void dmarc_ahead(struct resolve *, const struct from *);

/*
 * All that From says: each of its domains must pass, and the strictest of
 * their policies counts. A From that readers may understand differently is
 * PERMERROR, unless one of its domains asks for more.
 */
void dmarc_check(struct resolve *, const struct from *,
    const struct dmarc_identifier *, size_t n, struct dmarc_verdict *);

/* --- dmarc-record.c: one policy record ------------------------------------ */

struct dmarc_record {
	enum dmarc_wish p, sp, np; /* with their defaults */
	bool strict_dkim, strict_spf;
	bool testing; /* t=y */
	char psd;     /* 'y', 'n' or 'u' */
};

/* Once a process, before it gives anything up. False: no memory. */
bool dmarc_record_init(void) MUST_CHECK;

/*
 * False: it does not begin with v=DMARC1, and counts as absent. Syntax errors
 * behind that are ignored (RFC 9989 section 4.8): a tag that is malformed,
 * unknown or there twice has its default. But without a valid p, or with a
 * wrong sp or np, all of the record is p=none.
 */
bool dmarc_record_parse(struct span text, struct dmarc_record *) MUST_CHECK;

#endif
