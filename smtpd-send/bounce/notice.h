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
	NOTICE_FAILED,  /* to the sender: given up */
	NOTICE_DELAYED, /* to the sender: still trying */
	NOTICE_HELD,    /* to postmaster: delivery crashes */
};
#define NOTICE_KINDS 3

enum notice_action {
	NOTICE_REFUSED, /* permanently */
	NOTICE_EXPIRED, /* given up after many attempts */
	NOTICE_ORDERED, /* given up by the operator */
	NOTICE_WAITS,   /* still being tried */
};

/* What became of one recipient; all are views. */
struct notice_rcpt {
	enum notice_action action;
	struct span host;     /* "-": no server was reached */
	struct span path;     /* <forward-path> */
	struct span original; /* as the sender wrote it; or empty */
	struct span text;     /* the reply; lines end in '\n' but the last */
};

struct notice {
	const struct conf *conf;
	enum notice_kind kind;
	const struct queuefile *original;
	struct span domain; /* of MAILER-DAEMON */
	struct span to;     /* <mailbox> of the reader */
	struct notice_rcpt rcpts[NOTICE_RCPTS];
	size_t nrcpts;
	char id[QUEUE_ID_SIZE]; /* of the notice itself */
};

/*
 * Appends the whole message in CRLF lines of at most 998 octets of 7 bits,
 * which any server takes. False, with errno, when the original cannot be read
 * or memory is short.
 */
bool notice_write(struct sbuf *, const struct notice *) MUST_CHECK;

/* failed, delayed or held, as in frames and in the log. */
const char *notice_kind_name(enum notice_kind);

/* Appends the enhanced status code: from the reply, or else from the action. */
void notice_status(struct sbuf *, const struct notice_rcpt *);

/* --- strangers' text, made fit to stand in a message of ours ------------- */

#define NOTICE_LINE 900 /* octets; a longer line is folded */

enum notice_charset {
	NOTICE_ASCII, /* everything else becomes \xNN */
	NOTICE_UTF8,  /* the same, but well-formed UTF-8 stays */
};

/*
 * Appends printable text without control characters, CR or LF. It is at most
 * four times as long.
 */
void notice_clean(struct sbuf *, struct span, enum notice_charset);

/*
 * The same for several lines (each but the last ends in '\n'), as the rest of
 * a header field: each further line begins with a blank, empty lines are left
 * out, and CRLF ends the field.
 */
void notice_fold(struct sbuf *, struct span, enum notice_charset);

/* Is it CRLF lines of at most 998 octets of printable ASCII and tabs? */
bool notice_is_plain(struct span);

/* Appends CRLF lines in the encoding of RFC 2045 6.7. */
void notice_quoted_printable(struct sbuf *, struct span);

#endif
