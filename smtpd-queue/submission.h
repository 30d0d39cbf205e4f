/* SPDX-License-Identifier: ISC */
/* Checks and completes messages for smtpd-submit; which senders are whose. */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <sys/types.h>

#include "address.h"
#include "advise.h"
#include "conf.h"
#include "forged.h"
#include "header.h"
#include "queuefile.h"

/* --- which sender addresses belong to an authenticated user ---------------- */

#define AUTHOR_NAME_MAX 255
#define AUTHOR_SENDERS_MAX (1024 * 1024) /* octets of one user's patterns */

/*
 * The user NAME has NAME at any of local_domains or, if NAME has an "@", just
 * NAME; both also with "+detail". The file senders gives further ones:
 *
 *	name pattern ...
 *
 * in each line. A pattern is an address, @domain, or * for any address. "#"
 * begins a comment, and a user may have several lines. Case is ignored in all
 * but the name.
 */
struct author {
	const struct conf *conf; /* NULL: no user */
	char name[AUTHOR_NAME_MAX + 1];
	struct sbuf senders; /* the user's patterns, blank-separated */
};

/* False: the name is malformed. */
bool author_init(struct author *, const struct conf *,
    struct span name) MUST_CHECK;

/* Takes the user's lines out of the file senders; false: too many. */
bool author_read(struct author *, struct span file) MUST_CHECK;

/* For one of author_init, or all zero. Afterwards conf is NULL. */
void author_free(struct author *);

bool author_may_send(const struct author *, const struct address *);

/*
 * list: the value of From or Sender. True if it is a list of one or more
 * addresses that all belong to the user.
 */
bool author_may_write(const struct author *, struct span list);

/* Appends the user's first address. */
void author_address(const struct author *, struct sbuf *);

/* --- the messages ---------------------------------------------------------- */

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
