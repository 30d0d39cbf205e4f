/* SPDX-License-Identifier: ISC */
/* The advisers of an entrance: who they are, what they hear, what they say. */
#ifndef ADVICE_H
#define ADVICE_H

#include "conf.h"
#include "draft.h"

#define ADVICE_MAX 16 /* advisers of an entrance */

/*
 * One adviser, which is a connection for the whole injection conversation.
 * What broke once stays broken: we are confined, and cannot dial again.
 */
struct adviser {
	const char *name, *helper; /* from the operand NAME:RIGHTS:HELPER */
	unsigned rights;
	int fd;     /* -1: it could not be dialled, or it broke */
	bool heard; /* it has been told of this message */
	struct chan *chan;
	/* What it changed of this message, for the log. */
	unsigned deleted, put, top;
	bool junk;
};

struct advice {
	const struct conf *conf;
	unsigned n;
	struct adviser of[ADVICE_MAX];
	struct changes changes; /* of the one that answers */
	instant deadline;       /* of the client's question; 0: it asks none */
	char reply[8192];       /* what a refusal says to the client */
	const char *why;        /* there was no advice */
};

/*
 * Reads the operands of the command line; false with *why and *which when one
 * is malformed. They are kept.
 */
bool advice_init(struct advice *, const struct conf *, char *const operands[],
    const char **which) MUST_CHECK;

/* Has one of them to be executed? Wants one to be asked before the text? */
bool advice_execs(const struct advice *) MUST_CHECK;
bool advice_asks(const struct advice *) MUST_CHECK;

/* Opens a connection to each. A failure shows when its advice is needed. */
void advice_dial(struct advice *);

/* A message begins: nothing is changed yet. */
void advice_begin(struct advice *);

/* One frame of the envelope, to all; buffered until advice_flush. */
void advice_tell(struct advice *, char tag, struct span payload);
void advice_flush(struct advice *);

enum advice_verdict {
	ADVICE_PASS,
	ADVICE_LATER,  /* reply: a 4xx */
	ADVICE_REFUSE, /* reply: a 5xx */
	ADVICE_NONE,   /* it is away, late, or makes no sense: why */
};

/*
 * Asks those that want to be asked about the last S or R. When one refuses,
 * the others are told to forget it, and *by is that one.
 */
enum advice_verdict advice_ask(struct advice *, struct adviser **by);

/*
 * Asks one about the whole message: frames are those of the message so far,
 * of which it is told H and M. After ADVICE_PASS changes holds what it says.
 * The time for all of them begins with the first.
 */
enum advice_verdict advice_hear(struct advice *, struct adviser *,
    struct draft *text, struct span frames);

/* The message was abandoned, or refused. */
void advice_abandon(struct advice *);

/* One of them broke: no later message can have its advice. */
bool advice_is_broken(const struct advice *);

#endif
