/* SPDX-License-Identifier: ISC */
/* The queue directory, as those see it that write messages into it. */
#ifndef STORE_H
#define STORE_H

#include "conf.h"
#include "queuefile.h"

struct store {
	int dir;           /* the queue directory */
	int wakeup;        /* to smtpd-send, or -1: it lists by itself */
	uint64_t min_free; /* octets; 0: space and inodes unchecked */
};

#define STORE_PATH 32 /* "new/<shard>/<id>" */

/*
 * Opens the queue directory. False with errno when there is none. Call it,
 * and then store_dial for each conversation, before confine: a scheduler that
 * was started anew has another socket.
 */
bool store_open(struct store *, const struct conf *) MUST_CHECK;
void store_dial(struct store *, const struct conf *);

/*
 * Is there room for more mail? Sets *one_sync: the name of a new file here is
 * durable with the file's own fsync. False with errno.
 */
bool store_has_room(const struct store *, bool *one_sync) MUST_CHECK;

/*
 * A new file "new/<shard>/<id>", whose directories are made if need be. Sets
 * path. -1 with errno.
 */
int store_create(const struct store *, const char *id, int flags, unsigned mode,
    char path[STORE_PATH]) MUST_CHECK;

/* Is there a message of that id that waits for another try? */
bool store_waits(const struct store *, const char *id) MUST_CHECK;

/* Makes the name durable where that takes a sync of its directory. */
bool store_sync_name(const struct store *, const char *path) MUST_CHECK;

/* Tells the scheduler that there is mail. A hint: it may be lost. */
void store_wake(const struct store *, const char *id);

#endif
