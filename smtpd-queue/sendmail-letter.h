/* SPDX-License-Identifier: ISC */
/* The message that sendmail was given, and its recipients. */
#ifndef SENDMAIL_LETTER_H
#define SENDMAIL_LETTER_H

#include "sbuf.h"

enum letter_result {
	LETTER_OK,
	LETTER_END,     /* of push and finish: a lone dot ended the message */
	LETTER_BARE_CR, /* cannot be sent as it is, and we change nothing */
	LETTER_NUL,     /*   silently: refuse the message */
	LETTER_TOO_BIG,
	LETTER_NO_MEMORY,
	LETTER_IOERR, /* errno says why */
};

/*
 * A push machine that turns a message as programs write it (LF) into one as
 * the queue holds it (CRLF), however it is cut. LF and CRLF both end a line.
 */
struct letter_lines {
	bool dot_ends; /* set by the caller: a line with a lone dot ends it */
	enum letter_at {
		LETTER_AT_START, /* of a line */
		LETTER_AT_DOT,   /* after a dot that began one, not yet given */
		LETTER_IN_LINE,
	} at;
	bool cr; /* a CR is waiting for its LF */
};

/* Appends in to out, converted. After a result other than OK, stop. */
enum letter_result letter_push(struct letter_lines *, struct span in,
    struct sbuf *out);

/* The input is over: a last line without an end gets one. */
enum letter_result letter_finish(struct letter_lines *, struct sbuf *out);

/*
 * Reads all of fd into text, whose limit is the largest message, with CRLF
 * line ends and without a "From " line on top. It reads all before anything is
 * sent: a program may take hours to write its mail, and only its end shows
 * whether it can be sent. Never END.
 */
enum letter_result letter_read(struct sbuf *text, int fd,
    bool dot_ends) MUST_CHECK;

enum recipients_result {
	RECIPIENTS_OK,
	RECIPIENTS_BAD, /* the malformed address is in bad */
	RECIPIENTS_TOO_MANY,
	RECIPIENTS_NO_MEMORY,
};

/* Each once. */
struct recipients {
	const char *domain; /* for local-parts without one */
	unsigned n;
	struct sbuf all; /* local-part@domain, each with a "\n" */
	struct sbuf one;
	struct sbuf bad;
};

/* domains: bare local-parts get the first of these blank-separated names. */
void letter_recipients_init(struct recipients *, const char *domains);

/* Adds those of an address-list. */
enum recipients_result letter_recipients_add(struct recipients *,
    struct span list) MUST_CHECK;

/* The next one; *rest starts as all of them. Empty after the last. */
struct span letter_recipients_next(struct span *rest);

/*
 * Takes the recipients out of To, Cc and Bcc (if there are any Resent- ones,
 * out of those of the first block), and removes the Bcc fields.
 */
enum recipients_result letter_take_recipients(struct sbuf *text,
    struct recipients *) MUST_CHECK;

#endif
