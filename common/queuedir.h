/* SPDX-License-Identifier: ISC */
/* The queue directory for who only looks: its messages, without a lock. */
#ifndef QUEUEDIR_H
#define QUEUEDIR_H

#include "queuefile.h"

#define QUEUEDIR_MAX 10000000 /* messages that can be listed */

/*
 * Opens it, as its owner: root becomes him, for good. -1 with errno; EPERM
 * also when the owner is root.
 */
int queuedir_open(const char *path) MUST_CHECK;

/*
 * Appends QUEUE_ID_SIZE octets for each file: the id, and 'n' (in new/) or
 * 'm' (in msg/). One that moves meanwhile is listed once or twice, never not
 * at all. False with errno.
 */
bool queuedir_list(int dir, struct sbuf *ids) MUST_CHECK;

/* Sorts what was listed by id, that is by time. */
void queuedir_sort(struct sbuf *ids);

/* The message file, wherever it is now, or its log; -1 with errno. */
int queuedir_message(int dir, const char *id) MUST_CHECK;
int queuedir_log(int dir, const char *id) MUST_CHECK;

#endif
