/* SPDX-License-Identifier: ISC */
/* The DNS tree walk of RFC 9989 section 4.10. */
#ifndef DMARC_WALK_H
#define DMARC_WALK_H

#include "dmarc-record.h"
#include "resolve.h"

#define WALK_CACHE 64 /* of one message: walks share their ends */

enum walk_found {
	WALK_RECORD,
	WALK_NOTHING, /* no record, or more than one */
	WALK_FAILED,  /* DNS did not answer */
};

struct walk_place {
	struct span name; /* of the caller's, who keeps it */
	enum walk_found found;
	struct dmarc_record record;
};

struct walk {
	struct resolve *resolve;
	struct walk_place cache[WALK_CACHE];
	unsigned n;
};

/* Names that are walked must stay, and be in lower case. */
void walk_init(struct walk *, struct resolve *);

/* What is asked first for mail from that domain can be on its way. */
void walk_ahead(struct resolve *, struct span author);

/* The record at _dmarc.name. */
enum walk_found walk_record(struct walk *, struct span name,
    struct dmarc_record *);

/*
 * Finds the organizational domain: a part of name. WALK_FAILED when DNS did
 * not answer on the way; WALK_NOTHING: there was no record, and it is name
 * itself. *psd: the record above it that says psd=y, if the walk ended there.
 */
enum walk_found walk_organization(struct walk *, struct span name,
    struct span *organization, struct span *psd);

#endif
