/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#ifndef QUEUE_MESSAGE_H
#define QUEUE_MESSAGE_H

#include "advice.h"
#include "commit.h"
#include "draft.h"
#include "entrance.h"

/* An answer to the client: K, Z or X, with the id or a whole SMTP reply. */
struct verdict {
	char tag; /* 0: no answer yet */
	const char *text;
};

struct message {
	const struct conf *conf;
	enum entrance entrance;
	struct advice *advice;
	enum envelope_stage stage;
	bool versioned;           /* the first fact, version=1, has come */
	bool introduced;          /* the advisers know its id */
	struct verdict refusal;   /* the first; later frames are discarded */
	const struct adviser *by; /* which refused it; NULL: we */
	bool unjudged;            /* accepted without smtpd-judge's advice */
	char id[QUEUE_ID_SIZE];
	struct sbuf who;  /* "user=NAME" or "uid=N", for the conversation */
	struct ip client; /* of the socket that was shown, or size 0 */
	unsigned recipients;
	uint64_t size;      /* octets of the text as received */
	struct sbuf frames; /* as the file will hold them */
	size_t last;        /* where in frames the last S or R begins */
	char last_tag;      /* S or R; 0: it was asked about */
	struct draft drafts[2];
	unsigned text; /* the one that has the text */
	struct commit commit;
};

/* False if there are no random bytes for an id. */
bool message_init(struct message *, const struct conf *, enum entrance,
    const struct store *, struct advice *) MUST_CHECK;

/*
 * Takes one frame other than Q, E and A; refusal keeps a failure. peer: a
 * descriptor that came with it, or -1; it stays the caller's.
 */
void message_take(struct message *, const struct frame *, int peer);

/* Q: the advisers' answer on the last S or R; a refused one is forgotten. */
struct verdict message_ask(struct message *) MUST_CHECK;

/*
 * E: asks the advisers and commits, or says why not. After K the file stays
 * locked until message_reset, and nothing touches it any more.
 */
struct verdict message_commit(struct message *) MUST_CHECK;

/*
 * Logs one line: event=queued, or event=refused with the reply. Call it before
 * the answer, so that every id that a client was told is in the log.
 */
void message_log(const struct message *, const struct verdict *);

/*
 * Forgets the message and unlocks its file; removes a file that was not
 * committed. message_next also makes a new id; false if there are no random
 * bytes.
 */
void message_reset(struct message *);
bool message_next(struct message *) MUST_CHECK;

#endif
