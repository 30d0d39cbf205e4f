/* SPDX-License-Identifier: ISC */
/* Which addresses an authenticated user may write as. */
#ifndef AUTHOR_H
#define AUTHOR_H

#include "address.h"
#include "conf.h"

#define AUTHOR_NAME_MAX 255
#define AUTHOR_SENDERS_MAX (1024 * 1024) /* octets of what one user may be */

/*
 * His own are NAME at any of local_domains or, for a NAME with "@", NAME;
 * with any "+detail". Others stand in the file senders:
 *
 *	name pattern ...
 *
 * a line, where a pattern is an address, @domain, or * for any; "#" begins a
 * comment, and a user may have many lines. All is compared case folded, but
 * for the name.
 */
struct author {
	const struct conf *conf; /* NULL: nobody */
	char name[AUTHOR_NAME_MAX + 1];
	struct sbuf senders; /* his patterns, blank-separated */
};

/* False: no such name can be. */
bool author_init(struct author *, const struct conf *,
    struct span name) MUST_CHECK;

/* Takes his lines out of the file senders; false: they are too many. */
bool author_read(struct author *, struct span file) MUST_CHECK;

/* For one of author_init, or all zero: which it is then. */
void author_free(struct author *);

bool author_may_send(const struct author *, const struct address *);

/*
 * The value of From or Sender: a list of one or more addresses, all of which
 * he may write as.
 */
bool author_may_write(const struct author *, struct span list);

/* Appends the address that is his own. */
void author_address(const struct author *, struct sbuf *);

#endif
