/* SPDX-License-Identifier: ISC */
/* The queue directory: finding, opening, moving and removing messages. */
#ifndef SPOOL_H
#define SPOOL_H

#include "waiting.h"

/*
 * Creates and syncs missing directories of the queue, and takes its lock.
 * Fatal if it cannot; EXIT_TEMP also if another scheduler is there. Gives the directory's descriptor; the lock lasts as long as we do.
 */
int spool_start(const char *queue);

enum spool_result {
	SPOOL_OPENED,
	SPOOL_GONE,       /* there is no such message */
	SPOOL_RECEIVED,   /* it is being written */
	SPOOL_LOCKED,     /* committed, and a delivery has it */
	SPOOL_UNREADABLE, /* not locked, but its mode is not 0400 yet */
	SPOOL_IOERR,      /* errno says */
};

/*
 * Opens and locks it; *fd is the caller's. With insist a committed one is
 * opened even if another process has locked it.
 */
enum spool_result spool_open(int queue, const struct message *, bool insist,
    int *fd) MUST_CHECK;

/* Opens it to be read only, without a lock; -1: errno says. */
int spool_peek(int queue, const struct message *) MUST_CHECK;

/* The list of paused destinations, open for reading and writing. */
int spool_paused_open(int queue) MUST_CHECK;

/* Moves it, unsynced, from new/ to msg/, if it is not there yet. */
bool spool_settle(int queue, struct message *) MUST_CHECK;

/* Moves it to torn/. */
bool spool_put_aside(int queue, const struct message *) MUST_CHECK;

/* Removes the message; its log is then an orphan. */
bool spool_remove(int queue, const struct message *) MUST_CHECK;

/* Its log: open for reading and writing (-1: errno says), removed. */
int spool_log_open(int queue, const char *id, bool create) MUST_CHECK;
void spool_log_remove(int queue, const char *id);

/* The shard directory that the log is in, to sync the name with. */
int spool_log_dir(int queue, const char *id) MUST_CHECK;

enum spool_kind {
	SPOOL_MESSAGE,
	SPOOL_LOG,
	SPOOL_STRAY, /* nothing that belongs there */
};

/*
 * Calls each with every file of one shard of dir ("new" or "msg"); name is
 * the id, or the whole name of a stray one. False with errno when it cannot
 * be listed (a missing one is empty).
 */
bool spool_list(int queue, const char *dir, unsigned shard,
    void (*each)(void *, enum spool_kind, const char *name),
    void *arg) MUST_CHECK;

#endif
