/* SPDX-License-Identifier: ISC */
/* One message on its way into the queue directory, up to the commit. */
#ifndef COMMIT_H
#define COMMIT_H

#include "conf.h"
#include "queuefile.h"

struct store {
	int dir;           /* the queue directory */
	int wakeup;        /* to smtpd-send, or -1: it lists by itself */
	uint64_t min_free; /* octets; 0: space and inodes unchecked */
};

/*
 * Opens the queue directory, and the socket to the scheduler if it is there.
 * Call before confine. False with errno when there is no queue directory.
 */
bool store_open(struct store *, const struct conf *) MUST_CHECK;

struct commit {
	const struct store *store;
	struct queuefile file; /* id, lengths and CRCs; fd -1: none open */
	bool one_sync;         /* the name is durable with the file's fsync */
	bool committed;
	char path[32];   /* "new/<shard>/<id>" */
	size_t len;      /* octets in buf */
	char buf[65536]; /* message octets not written yet */
};

void commit_init(struct commit *, const struct store *);

/*
 * begin, add..., end, the answer to the client, close. After a false (errno
 * says why) only close may follow. One message after the other may use the
 * same struct.
 */
bool commit_begin(struct commit *, const char *id) MUST_CHECK;
bool commit_add(struct commit *, struct span octets) MUST_CHECK;
bool commit_end(struct commit *, struct span frames) MUST_CHECK;

/*
 * Unlocks what was committed and tells the scheduler; removes what was not.
 * Without an open file it does nothing.
 */
void commit_close(struct commit *);

#endif
