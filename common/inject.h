/* SPDX-License-Identifier: ISC */
/* Handing messages to smtpd-queue: "Injection" in smtpd-frames(5). */
#ifndef INJECT_H
#define INJECT_H

#include "link.h"
#include "queuefile.h"

/*
 * One message is inject_begin, facts, sender, recipients, then text and header
 * in any order, then inject_commit or inject_abandon. Sending is sticky: after
 * a failure the later steps do nothing, and inject_commit tells.
 */
struct inject {
	struct link link;
	bool greeted;           /* its greeting, W, has been read */
	bool asks;              /* W said: ask before the text */
	bool begun;             /* it has been told of a message */
	bool named;             /* we gave the message its id */
	char id[QUEUE_ID_SIZE]; /* of this message; if not named, after K */
};

/* Continues with fd, a connection to another injector. */
void inject_adopt(struct inject *, int fd);

/*
 * Is there an injector that takes mail? Waits for its greeting; later it costs
 * nothing. A client that leaves it out finds the greeting before the first
 * answer.
 */
bool inject_is_there(struct inject *) MUST_CHECK;

/*
 * Begins a message. peer: the client's socket, which goes along and stays open
 * until inject_flush, or -1. name_it: we choose the id, now.
 */
void inject_begin(struct inject *, int peer, bool name_it);

/* Any frame: C, S, R, H, B. */
void inject_add(struct inject *, char tag, struct span payload);

/* C name=value. */
void inject_fact(struct inject *, const char *name, struct span value);

/* R for <mailbox>, with the class that its domain has. */
void inject_recipient(struct inject *, const struct conf *,
    struct span mailbox);

/* Text of any length, in B frames. */
void inject_text(struct inject *, struct span);

/*
 * May the S or R that was added last go into the message? Waits for an answer
 * only if the injector wants to be asked. A refused S or R is forgotten; the
 * rest of the message stays.
 */
enum link_answer inject_ask(struct inject *, struct span *text) MUST_CHECK;

/* Writes all buffered frames, so that the injector can work on them. */
void inject_flush(struct inject *);

/*
 * Sends E and waits for the verdict. LINK_YES: the message is on disk as id;
 * LINK_FAILED: it may or may not be. *text lives until the next message.
 */
enum link_answer inject_commit(struct inject *, struct span *text) MUST_CHECK;

/* Abandons the message, if one was begun; buffered. */
void inject_abandon(struct inject *);

#endif
