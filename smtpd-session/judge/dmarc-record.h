/* SPDX-License-Identifier: ISC */
/* One DMARC policy record (RFC 9989 section 4.7 and 4.8). */
#ifndef DMARC_RECORD_H
#define DMARC_RECORD_H

#include "span.h"

enum dmarc_policy {
	DMARC_POLICY_NONE,
	DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_REJECT
};

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* with their defaults */
	bool strict_dkim, strict_spf;
	bool testing; /* t=y */
	char psd;     /* 'y', 'n' or 'u' */
};

const char *dmarc_policy_text(enum dmarc_policy);

/*
 * False: it is none, and counts as absent: v=DMARC1 does not stand first, or
 * the text is no list of tags, or has one twice. Without a p that is valid,
 * or with an sp or np that is not, all of it is p=none; what else is wrong,
 * or unknown, is ignored.
 */
bool dmarc_record_parse(struct span text, struct dmarc_record *) MUST_CHECK;

#endif
