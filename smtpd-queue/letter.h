/* SPDX-License-Identifier: ISC */
/* The message that sendmail was given on its standard input. */
#ifndef LETTER_H
#define LETTER_H

#include "recipients.h"

enum letter_result {
	LETTER_OK,
	LETTER_BARE_CR,
	LETTER_NUL,
	LETTER_TOO_BIG,
	LETTER_NO_MEMORY,
	LETTER_IOERR, /* errno says */
};

/*
 * Reads all of fd into text, whose limit is the largest message, with CRLF
 * line ends and without a "From " line on top. All of it before anything is
 * sent: a program may take hours to write its mail, and whether it can be
 * sent shows only at its end.
 */
enum letter_result letter_read(struct sbuf *text, int fd,
    bool dot_ends) MUST_CHECK;

/*
 * Takes the recipients out of To, Cc and Bcc (if there are any Resent- ones:
 * out of those of the first block), and the Bcc fields out of the message.
 */
enum recipients_result letter_recipients(struct sbuf *text,
    struct recipients *) MUST_CHECK;

#endif
