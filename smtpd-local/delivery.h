/* SPDX-License-Identifier: ISC */
/* A delivery in two steps: written, then made durable with its neighbours. */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "conf.h"
#include "maildir.h"
#include "parcel.h"

struct mailbox {
	const struct conf *conf;
	struct maildir dir;
	bool has_junk; /* what is marked goes to a folder of its own */
	struct maildir junk;
	int junk_fault; /* errno, as fault; for that folder only */
	int fault;      /* errno of maildir_enter: nothing can be */
};                      /* delivered now */

struct delivery {
	char tag;         /* K Z X: the verdict, */
	const char *text; /* its reply line */
	int fault;        /* and errno, to be logged and told; 0: none */
	int fd;           /* in tmp; -1: nothing waits to be published */
	int message;      /* keeps the message's lock until all is done */
	dev_t queue;      /* where the queue file is */
	uint64_t size;
	uint32_t index;
	char id[QUEUE_ID_SIZE];
	const struct maildir *dir; /* of the mailbox, in which it is written */
	char name[MAILDIR_NAME_MAX + 1];
};

/*
 * Writes the parcel to tmp; or knows already that it cannot be, or was. Takes
 * its descriptor over: while the message is locked nobody else delivers it,
 * and the file in tmp is ours.
 */
void delivery_write(struct delivery *, const struct mailbox *, struct parcel *);

/*
 * Makes n of them durable and visible: now each verdict is final. The kernel
 * is shown all of them before it must finish the first, so that one commit of
 * its journal may do for many.
 */
void delivery_settle(struct delivery *, size_t n);

#endif
