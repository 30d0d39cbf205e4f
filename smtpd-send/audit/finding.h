/* SPDX-License-Identifier: ISC */
/* What the audit has found: listed as it is found, counted at the end. */
#ifndef FINDING_H
#define FINDING_H

#include "mailid.h"

enum finding {
	FINDING_LOST,       /* a recipient without an end, and no queue file */
	FINDING_UNTOLD,     /* an end by a notice that nobody accepted */
	FINDING_UNLOGGED,   /* an end in the queue that the log does not have */
	FINDING_DAMAGED,    /* a queue file that cannot be delivered */
	FINDING_GAP,        /* lines that are missing, or are not whole */
	FINDING_TWICE,      /* delivered more than once */
	FINDING_TOLD_TWICE, /* its sender was told more than once */
	FINDING_BOTH,       /* delivered, and its sender was told it was not */
	FINDING_UNACCEPTED, /* in the queue or at an end, never acknowledged */
	FINDINGS,
};

struct findings {
	uint64_t count[FINDINGS];
};

/* Prints "<name> <id> <who>: <text>"; id may be NULL, who and text ASCII. */
void finding_add(struct findings *, enum finding, const struct mailid *,
    struct span who, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* "<name> <count>" of each. */
void finding_print(const struct findings *);

/* The exit status: 0 none, 1 not proven, 2 proven, but more than once. */
int finding_status(const struct findings *);

#endif
