/* SPDX-License-Identifier: ISC */
/* The text of a message before its commit. */
#ifndef DRAFT_H
#define DRAFT_H

#include "advice.h"
#include "commit.h"

#define DRAFT_MEMORY 65536 /* a longer text goes into a file */

/*
 * A small text is in memory, and only the commit writes it. A larger one is in
 * a file of the queue's file system whose name is removed at once: its blocks
 * are freed with its last descriptor, whatever happens. That file is never the
 * queue file, because an adviser that is shown it could lock it for good.
 */
struct draft {
	const struct store *store;
	int file;        /* -1: all of the text is in mem */
	int reader;      /* can only read it; -1: none yet */
	uint64_t length; /* octets of the text */
	size_t held;     /* octets in mem: the last ones, not yet in file */
	char mem[DRAFT_MEMORY];
};

void draft_init(struct draft *, const struct store *);

/* Empties it and gives its memory and disk back. */
void draft_reset(struct draft *);

/* False with errno: ENOSPC also below min_free. */
bool draft_add(struct draft *, struct span octets) MUST_CHECK;

/*
 * A read-only descriptor of a file that holds the text and nothing else. It
 * belongs to the draft and is open until the draft is added to or reset. -1
 * with errno.
 */
int draft_reader(struct draft *) MUST_CHECK;

/*
 * Calls take for each run of the text, in order, as much at once as there is.
 * False with errno if it cannot be read, or if take gives false.
 */
typedef bool draft_take(void *context, struct span octets);
bool draft_each(struct draft *, draft_take *, void *context) MUST_CHECK;

/* Writes the text, with these changes, into to, which is empty. */
bool draft_change(struct draft *from, const struct changes *,
    struct draft *to) MUST_CHECK;

#endif
