/* SPDX-License-Identifier: ISC */
/* Compares the TXT records that are published with those we need. */
#ifndef RECORDS_COMPARE_H
#define RECORDS_COMPARE_H

#include "records.h"

enum records_verdict {
	RECORDS_RIGHT,
	RECORDS_DOUBT, /* works, but perhaps not as wanted */
	RECORDS_WRONG,
	RECORDS_UNKNOWN, /* no answer from the DNS */
};

/*
 * For records of type TXT. texts: all TXT records of the name; those for other
 * purposes are ignored. A record that differs but works is right. why: the
 * published record if it is RIGHT, else what is wrong; always printable ASCII.
 */
enum records_verdict records_compare(const struct records *,
    const struct record *, const struct span *texts, size_t n,
    struct sbuf *why);

/* Appends octets from the DNS, made safe for a terminal. */
void records_show(struct sbuf *, struct span);

#endif
