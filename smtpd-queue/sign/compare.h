/* SPDX-License-Identifier: ISC */
/* Whether the TXT records that are published do what they should. */
#ifndef COMPARE_H
#define COMPARE_H

#include "records.h"

enum compare_result {
	COMPARE_RIGHT,
	COMPARE_DOUBT, /* works, but perhaps not as one wants */
	COMPARE_WRONG,
};

/*
 * texts: all TXT records of the name; those that are about something else
 * are passed over. For kinds whose type is TXT. What another could have
 * written as well is right. why: what is there when it is RIGHT, else what is
 * the matter; no octet in it is outside of ASCII that prints.
 */
enum compare_result compare_texts(const struct records *, const struct record *,
    const struct span *texts, size_t n, struct sbuf *why);

/* Appends octets from the DNS so that a terminal can show them. */
void compare_show(struct sbuf *, struct span);

#endif
