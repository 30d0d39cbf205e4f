/* SPDX-License-Identifier: ISC */
/* The text of a message that is not committed yet. */
#ifndef DRAFT_H
#define DRAFT_H

#include "changes.h"
#include "store.h"

#define DRAFT_MEMORY 65536 /* a longer text is in a file */

/*
 * A small text is in memory, and is written once, by the commit. A larger one
 * is in a file of the queue's file system that has no name any more: its
 * blocks go with its last descriptor, whatever happens. That file is never
 * the queue file: who is shown it could take a lock on it and keep it.
 */
struct draft {
	const struct store *store;
	int file;        /* -1: all of the text is in mem */
	int reader;      /* reads it, and can do nothing else; -1: none yet */
	uint64_t length; /* octets of the text */
	size_t held;     /* octets in mem: the last ones, not in file yet */
	char mem[DRAFT_MEMORY];
};

void draft_init(struct draft *, const struct store *);

/* Empty again; gives memory and disk back. */
void draft_reset(struct draft *);

/* False with errno: ENOSPC below min_free as well. */
bool draft_add(struct draft *, struct span octets) MUST_CHECK;

/*
 * A descriptor that can only be read with, of a file with just the text. It
 * is the draft's, and open until the draft is added to or reset. -1 with
 * errno.
 */
int draft_reader(struct draft *) MUST_CHECK;

/*
 * Gives each run of the text in order, as much at once as there is; false
 * with errno when it cannot be read, or when take says so.
 */
typedef bool draft_take(void *context, struct span octets);
bool draft_each(struct draft *, draft_take *, void *context) MUST_CHECK;

/* Writes into to, which is empty, the text as it is with these changes. */
bool draft_change(struct draft *from, const struct changes *,
    struct draft *to) MUST_CHECK;

#endif
