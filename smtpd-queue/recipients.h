/* SPDX-License-Identifier: ISC */
/* The recipients of a message that sendmail sends, each once. */
#ifndef RECIPIENTS_H
#define RECIPIENTS_H

#include "sbuf.h"

enum recipients_result {
	RECIPIENTS_OK,
	RECIPIENTS_BAD, /* what is no address stands in bad */
	RECIPIENTS_TOO_MANY,
	RECIPIENTS_NO_MEMORY,
};

struct recipients {
	const char *domain; /* for those that have none */
	unsigned n;
	struct sbuf all; /* local-part@domain, each with a "\n" */
	struct sbuf one;
	struct sbuf bad;
};

/* domain: the first of the blank-separated names goes to bare local-parts. */
void recipients_init(struct recipients *, const char *domains);

/* Adds those of an address-list. */
enum recipients_result recipients_add(struct recipients *,
    struct span list) MUST_CHECK;

/* The next one; *rest starts as all of them. Empty after the last. */
struct span recipients_next(struct span *rest);

#endif
