/* SPDX-License-Identifier: ISC */
/* What smtpd-submit does with each frame of a message on its way down. */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <sys/types.h>

#include "author.h"
#include "filter.h"
#include "header.h"

#define SUBMISSION_HEADER_MAX (1024 * 1024) /* octets held, to look first */

enum submission_stage {
	SUBMISSION_HEADER, /* the header section is held until it is over */
	SUBMISSION_BODY,   /* what comes goes straight down */
};

struct submission {
	struct filter *filter;
	const struct conf *conf;
	uid_t uid;                   /* of the user, as the kernel says */
	const struct author *author; /* as smtpd-auth says; NULL: by uid */
	enum submission_stage stage;
	struct sbuf sender; /* the payload of S */
	struct sbuf name;   /* the user's full name, as he writes it */
	bool body_began, has_date, has_message_id, has_from;
	struct forged forged;
	bool foreign; /* From or Sender is none of the author's */
	struct header header;
	struct sbuf held;
};

void submission_init(struct submission *, struct filter *, uid_t);

/* From here on all is the mail of an authenticated user. */
void submission_set_author(struct submission *, const struct author *);

/* For filter_run: one frame of the user's. */
filter_take submission_take;

#endif
