/* SPDX-License-Identifier: ISC */
/* Destinations as the operator writes and reads them. */
#ifndef TARGET_H
#define TARGET_H

#include "job.h"
#include "route.h"

#define TARGET_MAX (ROUTE_MAX + 8)

/*
 *	example.com example.com:26	mail for other hosts, by MX records
 *	[mail.example.net]:587		the same, to that host alone
 *	local:joe			mail for a user here
 *
 * Appends the one that the rcpt goes to, in lower case.
 */
void target_of(struct sbuf *, const struct conf *, const struct rcpt *);

/* Could somebody mean something by it? Then it is a bounded word. */
bool target_is_valid(struct span target);

/* Is it where the rcpt goes, or the domain of its address? */
bool target_fits(struct span target, const struct conf *, const struct rcpt *);

/* Appends the name of the rcpt's destination; nothing when it is local. */
void target_name(struct sbuf *, const struct conf *, const struct rcpt *);

#endif
