/* SPDX-License-Identifier: ISC */
/* Handing messages to the injector: the conversation of smtpd-queue(8). */
#ifndef INJECT_H
#define INJECT_H

#include "link.h"
#include "queuefile.h"

/*
 * One message is facts, sender, recipients, then body and header in any
 * order, then inject_commit or inject_abandon. Sending is sticky: after a
 * failure the later steps do nothing, and inject_commit tells.
 */
struct inject {
	struct link link;
	unsigned owed;          /* ids announced to us and not read yet */
	char id[QUEUE_ID_SIZE]; /* of this message, after inject_id */
};

enum inject_verdict {
	INJECT_TAKEN,   /* durable: id is its name */
	INJECT_REFUSED, /* *text: the reply, 4xx or 5xx */
	INJECT_FAILED,  /* no answer: it may or may not be queued */
};

/* Any frame: C, S, R, H, B. */
void inject_add(struct inject *, char tag, struct span payload);

/* C name=value; with a descriptor, which stays the caller's, when not -1. */
void inject_fact(struct inject *, const char *name, struct span value, int fd);

/* Writes all that waits: what was sent so far is at work from here on. */
void inject_flush(struct inject *);

/* Waits for the id that S is answered with. False: there will be none. */
bool inject_id(struct inject *) MUST_CHECK;

/* Sends E and waits for the verdict. *text lives until the next message. */
enum inject_verdict inject_commit(struct inject *, struct span *text);

/* Gives the message up, at once. */
void inject_abandon(struct inject *);

#endif
