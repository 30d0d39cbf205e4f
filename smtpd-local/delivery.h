/* SPDX-License-Identifier: ISC */
/* One message on its way into a Maildir. */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "address.h"
#include "maildir.h"
#include "queuefile.h"

/*
 * A message as the scheduler announces it:
 *	D id attempt, with the descriptor	a new message
 *	S <reverse-path>
 *	R index <address>			once
 */
struct parcel {
	int fd; /* -1: no D yet */
	char id[QUEUE_ID_SIZE];
	bool tried; /* an earlier attempt may have delivered it */
	bool has_sender, has_recipient;
	uint32_t index;
	struct sbuf sender;  /* with its angle brackets */
	struct sbuf address; /* without */
};

void parcel_init(struct parcel *);

/* Closes the descriptor; the next D may follow. */
void parcel_forget(struct parcel *);

/* Takes one of the three frames; false when it is malformed or out of turn. */
bool parcel_take(struct parcel *, struct chan *,
    const struct frame *) MUST_CHECK;

bool parcel_is_whole(const struct parcel *);

struct mailbox {
	const struct conf *conf;
	struct maildir dir;
	bool has_junk; /* messages marked as junk go to a folder of their own */
	struct maildir junk;
	int junk_fault; /* as fault, but for that folder only */
	int fault; /* errno of maildir_enter: no delivery is possible now */
};

struct delivery {
	char tag;         /* K Z X: the verdict, */
	const char *text; /* its reply line */
	int fault;        /* and errno, for the log and the reply; 0: none */
	int fd;           /* in tmp; -1: there is nothing to publish */
	int message;      /* keeps the message's lock until all is done */
	dev_t queue;      /* the file system of the queue file */
	uint64_t size;
	uint32_t index;
	char id[QUEUE_ID_SIZE];
	const struct maildir *dir; /* the one of the mailbox it is written to */
	char name[MAILDIR_NAME_MAX + 1];
};

/*
 * Writes the parcel to tmp, unless the verdict is known without that. Takes
 * over its descriptor: while the message is locked no other process delivers
 * it, and the file in tmp is ours.
 */
void delivery_write(struct delivery *, const struct mailbox *, struct parcel *);

/*
 * Makes n deliveries durable and visible; now each verdict is final. The kernel
 * sees all of them before it must finish the first, so one commit of its
 * journal may serve many.
 */
void delivery_settle(struct delivery *, size_t n);

#endif
