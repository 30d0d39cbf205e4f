/* SPDX-License-Identifier: ISC */
/* Looks at what the DNS says of a domain. */
#ifndef PUBLISHED_H
#define PUBLISHED_H

#include "compare.h"

enum published {
	PUBLISHED_RIGHT,
	PUBLISHED_DOUBT, /* works, but perhaps not as one wants */
	PUBLISHED_WRONG,
	PUBLISHED_UNKNOWN, /* the DNS did not tell */
};

/*
 * Is what the record should do done by what is published? why: what is
 * there, or what is the matter, fit for a terminal.
 */
enum published published_check(struct dns_resolver *, const struct records *,
    const struct record *, instant deadline, struct sbuf *why);

#endif
