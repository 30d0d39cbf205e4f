/* SPDX-License-Identifier: ISC */
/* A delivery status notification, RFC 3464, as text. */
#ifndef NOTICE_H
#define NOTICE_H

#include "conf.h"
#include "queuefile.h"

#define NOTICE_RCPTS 1000
#define NOTICE_HEADERS 65536	/* octets of the original's header section */
#define NOTICE_MAX (16 * 1024 * 1024)

enum notice_kind { NOTICE_FAILED, NOTICE_DELAYED };

/* What became of one recipient; all are views. */
struct notice_rcpt {
	struct span action;	/* failed, expired or delayed */
	struct span host;	/* "-": it came to no server */
	struct span path;	/* <forward-path> */
	struct span text;	/* the reply; lines end in '\n' but the last */
};

struct notice {
	const struct conf *conf;
	enum notice_kind kind;
	const struct queuefile *original;
	struct span to;		/* <path> of who is told */
	struct notice_rcpt rcpts[NOTICE_RCPTS];
	size_t nrcpts;
	char id[QUEUE_ID_SIZE];	/* of the notice itself */
};

/*
 * Appends the whole message, CRLF lines of at most 998 octets. False, with
 * errno, when the original cannot be read. *eightbit: it has such octets.
 */
bool notice_write(struct sbuf *, const struct notice *, bool *eightbit)
	MUST_CHECK;

/* The enhanced status code of a reply line, or one that its class implies. */
void notice_status(struct sbuf *, const struct notice_rcpt *);

#endif
