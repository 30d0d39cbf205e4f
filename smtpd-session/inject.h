/* SPDX-License-Identifier: ISC */
/* Handing messages to the injector: the conversation of smtpd-queue(8). */
#ifndef INJECT_H
#define INJECT_H

#include "link.h"
#include "queuefile.h"

/*
 * One message is inject_begin, facts, sender, recipients, then body and header
 * in any order, then inject_commit or inject_abandon. Sending is sticky: after
 * a failure the later steps do nothing, and inject_commit tells.
 */
struct inject {
	struct link link;
	bool greeted;           /* its first word, W, has been read */
	bool asks;              /* W said: ask before the text */
	bool begun;             /* it was told something of a message */
	bool named;             /* by us: K will say the same id */
	char id[QUEUE_ID_SIZE]; /* of this message; if not named, after K */
};

enum inject_verdict {
	INJECT_TAKEN,   /* of inject_commit: durable, id is its name */
	INJECT_REFUSED, /* *text: the reply, 4xx or 5xx */
	INJECT_FAILED,  /* no answer: it may or may not be queued */
};

/* Goes on with fd, a connection to another injector. */
void inject_adopt(struct inject *, int fd);

/*
 * Is there an injector that takes mail? Waits for its first word. Comes before
 * the first message; later it costs nothing.
 */
bool inject_is_there(struct inject *) MUST_CHECK;

/*
 * Begins a message. peer: the client's socket, which goes along and stays open
 * until inject_flush, or -1. name_it: it gets its id now, and from us.
 */
void inject_begin(struct inject *, int peer, bool name_it);

/* Any frame: C, S, R, H, B. */
void inject_add(struct inject *, char tag, struct span payload);

/* C name=value. */
void inject_fact(struct inject *, const char *name, struct span value);

/*
 * May the S or R that was added last go into the message? Waits for an answer
 * only from an injector that wants to be asked. What was REFUSED is forgotten,
 * the rest of the message is not.
 */
enum inject_verdict inject_ask(struct inject *, struct span *text) MUST_CHECK;

/* Writes all that waits: what was sent so far is at work from here on. */
void inject_flush(struct inject *);

/* Sends E and waits for the verdict. *text lives until the next message. */
enum inject_verdict inject_commit(struct inject *,
    struct span *text) MUST_CHECK;

/* Gives the message up, if one was begun; buffered. */
void inject_abandon(struct inject *);

#endif
