/* SPDX-License-Identifier: ISC */
/* The queue directory for programs that write messages, and the commit. */
#ifndef COMMIT_H
#define COMMIT_H

#include "conf.h"
#include "queuefile.h"

struct draft; /* draft.h */

struct store {
	int dir;           /* the queue directory */
	int wakeup;        /* to smtpd-send, or -1: it lists by itself */
	uint64_t min_free; /* octets; 0: space and inodes unchecked */
};

#define STORE_PATH 32 /* "new/<shard>/<id>" */

/*
 * Opens the queue directory; false with errno. Call it, and then store_dial
 * for each conversation, before confine: a restarted scheduler has a new
 * socket.
 */
bool store_open(struct store *, const struct conf *) MUST_CHECK;
void store_dial(struct store *, const struct conf *);

/*
 * Is there room for more mail? Sets *one_sync if the fsync of a new file here
 * makes its name durable too. False with errno.
 */
bool store_has_room(const struct store *, bool *one_sync) MUST_CHECK;

/*
 * Creates "new/<shard>/<id>", and its directories if they are missing. Sets
 * path. -1 with errno.
 */
int store_create(const struct store *, const char *id, int flags, unsigned mode,
    char path[STORE_PATH]) MUST_CHECK;

/* Does a message with that id wait for another attempt? */
bool store_waits(const struct store *, const char *id) MUST_CHECK;

/* Makes the name durable, by a sync of its directory. */
bool store_sync_name(const struct store *, const char *path) MUST_CHECK;

/* Tells the scheduler that there is mail. The hint may be lost. */
void store_wake(const struct store *, const char *id);

/* --- the commit ----------------------------------------------------------- */

struct commit {
	const struct store *store;
	struct queuefile file; /* id, lengths and CRCs; fd -1: none open */
	bool committed;
	char path[STORE_PATH];
};

void commit_init(struct commit *, const struct store *);

/*
 * Writes the message and makes it durable. False with errno: it must not be
 * acknowledged. Answer the client next, and then call commit_close: until then
 * the file is locked.
 */
bool commit_message(struct commit *, const char *id, struct draft *text,
    struct span frames) MUST_CHECK;

/*
 * Unlocks a committed file and tells the scheduler, or removes a file that was
 * not committed. Without an open file it does nothing.
 */
void commit_close(struct commit *);

#endif
