/* SPDX-License-Identifier: ISC */
/* What the scheduler says of one message before smtpd-local delivers it. */
#ifndef PARCEL_H
#define PARCEL_H

#include "address.h"
#include "queuefile.h"

/*
 *	D id attempt, with the descriptor	a new message
 *	S <reverse-path>
 *	R index <address>			once
 */
struct parcel {
	int fd; /* -1: no D yet */
	char id[QUEUE_ID_SIZE];
	bool tried; /* it may have been delivered before */
	bool has_sender, has_recipient;
	uint32_t index;
	struct sbuf sender;  /* with its angle brackets */
	struct sbuf address; /* without */
};

void parcel_init(struct parcel *);

/* Closes the descriptor; ready for the next D. */
void parcel_forget(struct parcel *);

/* Takes one of the three frames in; false when it is wrong, or not due. */
bool parcel_take(struct parcel *, struct chan *,
    const struct frame *) MUST_CHECK;

bool parcel_is_whole(const struct parcel *);

#endif
