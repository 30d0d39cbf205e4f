/* SPDX-License-Identifier: ISC */
/* The delivery conversation: requests to a process, and its verdicts. */
#ifndef TALK_H
#define TALK_H

#include "transport.h"

/*
 * Hands a parcel over; the first time it names the destination before. False
 * when it could not be sent: then no process has it. out: room for the
 * frames.
 */
bool talk_give(struct slot *, const struct rcpt *, struct sbuf *out) MUST_CHECK;

/* Sends what the socket takes now, and the descriptor with it; as sendmsg. */
ssize_t talk_send_fd(int sock, struct span, int fd) MUST_CHECK;

enum heard_kind {
	HEARD_NOTHING, /* not all there yet */
	HEARD_VERDICT, /* outcome */
	HEARD_DEATH,   /* how, why; crash: its own fault */
	HEARD_END,     /* end of file, or the connection broke */
	HEARD_NONSENSE,
};

struct heard {
	struct outcome outcome; /* views into the slot */
	struct rcpt *rcpt;      /* whose it is */
	size_t used;            /* octets of it */
	bool crash;
	char how[32]; /* "signal=11" */
	char why[96]; /* a reply line */
};

/* Reads what is there, without waiting. */
enum heard_kind talk_hear(struct slot *, struct heard *);

/*
 * Parses the slot's buffer: talk_hear without reading. A frame before a verdict
 * that is for all of its message goes into the slot.
 */
enum heard_kind talk_parse(struct slot *, struct heard *);

/* Drops so many octets: the outcome is no more valid then. */
void talk_take(struct slot *, size_t used);

#endif
