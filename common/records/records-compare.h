/* SPDX-License-Identifier: ISC */
/* Whether the TXT records that are published do what they should. */
#ifndef RECORDS_COMPARE_H
#define RECORDS_COMPARE_H

#include "records.h"

enum records_verdict {
	RECORDS_RIGHT,
	RECORDS_DOUBT, /* works, but perhaps not as one wants */
	RECORDS_WRONG,
	RECORDS_UNKNOWN, /* the DNS did not tell; not from this module */
};

/*
 * texts: all TXT records of the name; those that are about something else
 * are passed over. For kinds whose type is TXT. What another could have
 * written as well is right. why: what is there when it is RIGHT, else what is
 * the matter; no octet in it is outside of ASCII that prints.
 */
enum records_verdict records_compare(const struct records *,
    const struct record *, const struct span *texts, size_t n,
    struct sbuf *why);

/* Appends octets from the DNS so that a terminal can show them. */
void records_show(struct sbuf *, struct span);

#endif
