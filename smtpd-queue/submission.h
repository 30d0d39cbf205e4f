/* SPDX-License-Identifier: ISC */
/* What smtpd-submit does with each frame of a message on its way down. */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <sys/types.h>

#include "downstream.h"
#include "header.h"

#define SUBMISSION_HEADER_MAX (1024 * 1024) /* octets held, to look first */

enum submission_stage {
	SUBMISSION_NONE,   /* between two messages */
	SUBMISSION_HEADER, /* the header section is held until it is over */
	SUBMISSION_BODY,   /* what comes goes straight down */
};

struct submission {
	const struct conf *conf;
	struct chan *up;
	struct downstream down;
	uid_t uid; /* of the user, as the kernel says */
	enum submission_stage stage;
	char id[QUEUE_ID_SIZE];
	struct sbuf sender; /* the payload of S */
	struct sbuf name;   /* the user's full name, as he writes it */
	bool body_began, has_date, has_message_id, has_from;
	struct header header;
	struct sbuf held;
};

void submission_init(struct submission *, const struct conf *, uid_t,
    struct chan *up, struct chan *down);

/*
 * Takes one frame of the user's. Answers him what is to be answered; not OK
 * when nothing more can be taken. deadline: for what is sent to the user.
 */
enum io submission_take(struct submission *, const struct frame *,
    instant deadline) MUST_CHECK;

#endif
