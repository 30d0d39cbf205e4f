/* SPDX-License-Identifier: ISC */
/* A delivery status notification, RFC 3464, as text. */
#ifndef NOTICE_H
#define NOTICE_H

#include "conf.h"
#include "queuefile.h"

#define NOTICE_RCPTS QUEUE_RCPTS_MAX
#define NOTICE_HEADERS 65536      /* octets of the original's header section */
#define NOTICE_TEXT 8192          /* octets of one reply */
#define NOTICE_TEXTS (512 * 1024) /* of all of them, shared out evenly */
#define NOTICE_MAX (16 * 1024 * 1024)

enum notice_kind {
	NOTICE_FAILED,  /* to the sender: the end */
	NOTICE_DELAYED, /* to the sender: it takes long */
	NOTICE_HELD,    /* to postmaster: its delivery crashes */
};
#define NOTICE_KINDS 3

enum notice_action {
	NOTICE_REFUSED, /* for good */
	NOTICE_EXPIRED, /* given up after many tries */
	NOTICE_ORDERED, /* given up by the operator */
	NOTICE_WAITS,   /* is tried further */
};

/* What became of one recipient; all are views. */
struct notice_rcpt {
	enum notice_action action;
	struct span host;     /* "-": it came to no server */
	struct span path;     /* <forward-path> */
	struct span original; /* <forward-path> the sender wrote, or empty */
	struct span text;     /* the reply; lines end in '\n' but the last */
};

struct notice {
	const struct conf *conf;
	enum notice_kind kind;
	const struct queuefile *original;
	struct span domain; /* MAILER-DAEMON's */
	struct span to;     /* <mailbox> of who is told */
	struct notice_rcpt rcpts[NOTICE_RCPTS];
	size_t nrcpts;
	char id[QUEUE_ID_SIZE]; /* of the notice itself */
};

/*
 * Appends the whole message: CRLF lines of at most 998 octets of 7 bits, so
 * that it can go anywhere. False, with errno, when the original cannot be
 * read or there is no memory.
 */
bool notice_write(struct sbuf *, const struct notice *) MUST_CHECK;

/*
 * The header section of the original as its recipients get it, without what
 * is beyond NOTICE_HEADERS and without fields over HEADER_KEPT.
 */
bool notice_original(struct sbuf *, const struct queuefile *) MUST_CHECK;

/* failed, delayed or held, as in frames and in the log. */
const char *notice_kind_name(enum notice_kind);

/* The enhanced status code of the reply, or one that the action implies. */
void notice_status(struct sbuf *, const struct notice_rcpt *);

#endif
