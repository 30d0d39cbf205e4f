/* SPDX-License-Identifier: ISC */
/* Text of strangers, made fit to stand in a message of ours. */
#ifndef BOUNCE_TEXT_H
#define BOUNCE_TEXT_H

#include "sbuf.h"

#define TEXT_LINE 900 /* octets of a line, beyond which it is folded */

enum text_charset {
	TEXT_ASCII, /* all else becomes \xNN */
	TEXT_UTF8,  /* the same, but well-formed UTF-8 stays */
};

/*
 * Appends printable text: no control survives, no CR and no LF. Never more
 * than four times as long.
 */
void text_clean(struct sbuf *, struct span, enum text_charset);

/*
 * The same of several lines (each but the last ends in '\n'), as the rest of
 * a header field: every further line begins with a blank, empty ones are left
 * out, the whole ends in CRLF.
 */
void text_fold(struct sbuf *, struct span, enum text_charset);

/* Can it go as it is: CRLF lines of at most 998 octets, printable ASCII, tabs? */
bool text_is_plain(struct span);

/* Appends lines that end in CRLF, as RFC 2045 6.7 encodes them. */
void text_quoted_printable(struct sbuf *, struct span);

#endif
