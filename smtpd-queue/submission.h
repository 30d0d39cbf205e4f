/* SPDX-License-Identifier: ISC */
/* Checks and completes each message that smtpd-submit is asked about. */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <sys/types.h>

#include "advise.h"
#include "author.h"
#include "forged.h"
#include "header.h"
#include "queuefile.h"

#define SUBMISSION_HEADER_MAX (1024 * 1024) /* octets, without forged fields */
#define SUBMISSION_FORGED_MAX 9990 /* ranges; an advice has 10,000 changes */

enum submission_origin {
	SUBMISSION_UNKNOWN,
	SUBMISSION_LOCAL, /* a user of this host, known from the kernel */
	SUBMISSION_AUTH,  /* a user that was authenticated */
	SUBMISSION_RELAY, /* a client of relay_clients */
};

struct submission {
	const struct conf *conf;
	struct span senders; /* the file, whole */
	/* facts and envelope */
	char id[QUEUE_ID_SIZE];
	bool user_entrance, relay_entrance, has_uid, has_author;
	enum submission_origin origin; /* what follows from these */
	uint32_t uid;
	struct author author; /* of this message or an earlier one */
	struct sbuf sender;   /* <reverse-path> */
	struct sbuf name;     /* the full name, as the user gave it */
	/* the header section, and the fields on top of it */
	bool has_date, has_message_id, has_from;
	bool foreign;   /* From or Sender does not belong to the author */
	bool nul;       /* in a field that signatures cover */
	bool nul_here;  /* in the one that is being read */
	size_t covered; /* how many fields signatures cover */
	struct header header;
	uint64_t header_end; /* where the section ends */
	bool unended;        /* text follows without an empty line */
	struct forged_range gone[SUBMISSION_FORGED_MAX];
	size_t ngone;
	struct span reply; /* not empty: why the message is refused */
};

/* senders: the content of that file. Both must stay. */
void submission_init(struct submission *, const struct conf *,
    struct span senders);

/* Its context is a struct submission. */
extern const struct adviser submission_adviser;

#endif
