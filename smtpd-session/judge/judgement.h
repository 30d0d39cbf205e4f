/* SPDX-License-Identifier: ISC */
/* One message judged: its envelope, its header, its body, the verdict. */
#ifndef JUDGEMENT_H
#define JUDGEMENT_H

#include "conf.h"
#include "fields.h"
#include "report.h"

struct judgement {
	const struct conf *conf;
	struct resolve *resolve;
	struct fields fields;
	struct from from;
	struct findings found;
	struct sbuf id, helo, local, domain; /* what found points into */
	char reply[512];                     /* a refusal, if there is one */
	bool junk;
};

/* signatures_init has been called. */
void judgement_init(struct judgement *, const struct conf *, struct resolve *);

/* In this order, for each message; judgement_fact any number of times. */
void judgement_begin(struct judgement *);
void judgement_fact(struct judgement *, struct span name, struct span value);

/*
 * The reverse-path is known: what concerns the client is looked up. Another
 * one may follow, and then counts.
 */
void judgement_sender(struct judgement *, struct span local,
    struct span domain);
void judgement_text(struct judgement *, struct span octets);

/*
 * All is known. Appends the fields; reply is a 5xx line, or "" when the mail
 * may go on, with the mark if junk says so.
 */
void judgement_end(struct judgement *, struct sbuf *fields);

#endif
