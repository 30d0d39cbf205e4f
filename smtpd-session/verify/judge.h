/* SPDX-License-Identifier: ISC */
/* The copy of a message for smtpd-judge, and what it says of it. */
#ifndef JUDGE_H
#define JUDGE_H

#include "../link.h"

#define JUDGE_FIELDS_MAX 65536 /* octets of header lines for one message */

enum judge_verdict {
	JUDGE_PASSES,
	JUDGE_REFUSES, /* reply: a 5xx */
	JUDGE_CANNOT,  /* why */
};

/*
 * One judge for all messages of the conversation. All that is waited for it,
 * while it reads and until it has answered, is at most the patience for one
 * message: then it is lost, and with it the later messages' judge, since a
 * confined program cannot dial. Nothing it says is believed unseen.
 */
struct judge {
	const struct conf *conf;
	bool wanted;        /* the setting is not empty */
	bool begun;         /* it has some of this message */
	uint64_t left;      /* ms of patience */
	const char *why;    /* it cannot judge this message */
	bool junk;          /* it said M junk */
	struct sbuf fields; /* its H frames */
	struct sbuf reply;
	struct link link;
	struct chan chan;
};

/* Dials, if there is one; before the program confines itself. */
void judge_open(struct judge *, const struct conf *);

/* Before each message. */
void judge_forget(struct judge *);

/* One frame of the message, buffered; judge_flush writes. */
void judge_copy(struct judge *, char tag, struct span payload);
void judge_flush(struct judge *);

/* The message was abandoned, or refused by others. */
void judge_abandon(struct judge *);

/*
 * The message is whole: waits for the verdict. Only after JUDGE_PASSES
 * fields and junk are to be heeded.
 */
enum judge_verdict judge_ask(struct judge *);

#endif
