/* SPDX-License-Identifier: ISC */
/* A message as programs write it (LF) into one as the queue holds it (CRLF). */
#ifndef TEXT_H
#define TEXT_H

#include "sbuf.h"

enum text_event {
	TEXT_MORE,    /* all input taken */
	TEXT_END,     /* a lone dot: the rest is not of the message */
	TEXT_BARE_CR, /* cannot be carried as it is, and we change */
	TEXT_NUL,     /*   nothing silently: refuse the message */
};

/* A push machine over any cut of the input. LF and CRLF both end a line. */
struct text {
	bool dot_ends; /* the owner's: a line with a lone dot ends it */
	enum text_at {
		TEXT_AT_START, /* of a line */
		TEXT_AT_DOT,   /* after a dot that began one, not yet given */
		TEXT_IN_LINE,
	} at;
	bool cr; /* a CR is waiting for its LF */
};

/* Appends to out what in comes to. After an event other than MORE, stop. */
enum text_event text_push(struct text *, struct span in, struct sbuf *out);

/* The input is over: the last line gets its end, if it had none. */
enum text_event text_finish(struct text *, struct sbuf *out);

#endif
