/* SPDX-License-Identifier: ISC */
/* Which sender addresses belong to an authenticated user. */
#ifndef AUTHOR_H
#define AUTHOR_H

#include "address.h"
#include "conf.h"

#define AUTHOR_NAME_MAX 255
#define AUTHOR_SENDERS_MAX (1024 * 1024) /* octets of one user's patterns */

/*
 * The user NAME has NAME at any of local_domains or, if NAME has an "@", just
 * NAME; both also with "+detail". The file senders gives further ones:
 *
 *	name pattern ...
 *
 * in each line. A pattern is an address, @domain, or * for any address. "#"
 * begins a comment, and a user may have several lines. Case is ignored in all
 * but the name.
 */
struct author {
	const struct conf *conf; /* NULL: no user */
	char name[AUTHOR_NAME_MAX + 1];
	struct sbuf senders; /* the user's patterns, blank-separated */
};

/* False: the name is malformed. */
bool author_init(struct author *, const struct conf *,
    struct span name) MUST_CHECK;

/* Takes the user's lines out of the file senders; false: too many. */
bool author_read(struct author *, struct span file) MUST_CHECK;

/* For one of author_init, or all zero. Afterwards conf is NULL. */
void author_free(struct author *);

bool author_may_send(const struct author *, const struct address *);

/*
 * list: the value of From or Sender. True if it is a list of one or more
 * addresses that all belong to the user.
 */
bool author_may_write(const struct author *, struct span list);

/* Appends the user's first address. */
void author_address(const struct author *, struct sbuf *);

#endif
