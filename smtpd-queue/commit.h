/* SPDX-License-Identifier: ISC */
/* The commit: after it, and only after it, the message survives anything. */
#ifndef COMMIT_H
#define COMMIT_H

#include "draft.h"

struct commit {
	const struct store *store;
	struct queuefile file; /* id, lengths and CRCs; fd -1: none open */
	bool committed;
	char path[STORE_PATH];
};

void commit_init(struct commit *, const struct store *);

/*
 * Writes the message and makes it durable. False: errno says why, and it is
 * not acknowledged. After either comes the answer to the client, and then
 * commit_close: until then the file is locked.
 */
bool commit(struct commit *, const char *id, struct draft *text,
    struct span frames) MUST_CHECK;

/*
 * Unlocks what was committed and tells the scheduler; removes what was not.
 * Without an open file it does nothing.
 */
void commit_close(struct commit *);

#endif
