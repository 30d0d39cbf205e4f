/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "advice.h"
#include "commit.h"
#include "entrance.h"
#include "frame.h"

enum message_stage {
	MESSAGE_NONE,     /* before its first frame */
	MESSAGE_FACTS,    /* before S */
	MESSAGE_ENVELOPE, /* after S: recipients, headers */
	MESSAGE_BODY,     /* after the first B */
};

/* A word to the client: K, Z or X, with the id or a whole SMTP reply. */
struct verdict {
	char tag; /* 0: none yet */
	const char *text;
};

struct message {
	const struct conf *conf;
	enum entrance entrance;
	struct advice *advice;
	enum message_stage stage;
	bool versioned;           /* the first fact, version=1, has come */
	bool introduced;          /* the advisers know its id */
	struct verdict refusal;   /* the first; what follows is discarded */
	const struct adviser *by; /* who refused; NULL: we */
	bool unjudged;            /* it goes on without smtpd-judge's advice */
	char id[QUEUE_ID_SIZE];
	struct sbuf who;  /* "user=NAME" or "uid=N", of the conversation */
	struct ip client; /* of the descriptor that came; or size 0 */
	unsigned recipients;
	uint64_t size;      /* octets of the text, as they came */
	struct sbuf frames; /* as the file will hold them */
	size_t last;        /* where in frames the last S or R begins */
	char last_tag;      /* which of them it is; 0: it was forgotten */
	struct draft drafts[2];
	unsigned text; /* which of them has the text */
	struct commit commit;
};

/* False when there is no randomness for an id. */
bool message_init(struct message *, const struct conf *, enum entrance,
    const struct store *, struct advice *) MUST_CHECK;

/*
 * Takes one frame, but Q, E and A; a failure is kept in refusal. peer: a
 * descriptor that came with it, or -1; stays the caller's.
 */
void message_take(struct message *, const struct frame *, int peer);

/* Q: the advisers' word on the last S or R, which is forgotten if it is no. */
struct verdict message_ask(struct message *) MUST_CHECK;

/*
 * E: hears the advisers and commits, or says why not. After K the file stays
 * locked until message_reset, and is not touched any more.
 */
struct verdict message_commit(struct message *) MUST_CHECK;

/*
 * One line: event=queued, or event=refused with the reply. Before the answer,
 * so that whoever was told of an id finds it in the log.
 */
void message_log(const struct message *, const struct verdict *);

/*
 * Forgets the message and unlocks it; what was not committed is removed.
 * message_next also takes a new id; false when there is no randomness.
 */
void message_reset(struct message *);
bool message_next(struct message *) MUST_CHECK;

#endif
