/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "commit.h"
#include "entrance.h"
#include "frame.h"

enum message_stage {
	MESSAGE_NONE,     /* before its first frame */
	MESSAGE_FACTS,    /* before S */
	MESSAGE_ENVELOPE, /* after S: recipients, headers */
	MESSAGE_BODY,     /* after the first B */
};

/* The final word, as far as it is known: a whole SMTP reply, or none yet. */
struct verdict {
	char tag; /* K, Z, X, or 0 */
	const char *text;
};

struct message {
	const struct conf *conf;
	enum entrance entrance;
	enum message_stage stage;
	bool versioned;         /* the first fact, version=1, has come */
	struct verdict refusal; /* the first; what follows is discarded */
	char id[QUEUE_ID_SIZE];
	struct ip client; /* of the descriptor that came; or size 0 */
	unsigned recipients;
	struct sbuf frames; /* as the file will hold them */
	struct commit commit;
};

void message_init(struct message *, const struct conf *, enum entrance,
    const struct store *);

/*
 * Takes one frame, but E and A; a failure is kept in refusal. peer: a
 * descriptor that came with it, or -1; stays the caller's. True when the
 * frame was S: the id is to be sent.
 */
bool message_take(struct message *, const struct frame *, int peer) MUST_CHECK;

/*
 * E: commits, or says why not. After K the file stays locked until
 * message_reset, and is not touched any more.
 */
struct verdict message_commit(struct message *) MUST_CHECK;

/*
 * One line: event=queued, or event=refused with the reply. Before the answer,
 * so that whoever was told of an id finds it in the log.
 */
void message_log(const struct message *, const struct verdict *);

/* Unlocks and forgets the message; what was not committed is removed. */
void message_reset(struct message *);

#endif
