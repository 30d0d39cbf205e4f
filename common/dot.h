/* SPDX-License-Identifier: ISC */
/* The text after DATA: line endings, transparency, the end (RFC 5321 4.5.2). */
#ifndef DOT_H
#define DOT_H

#include "span.h"

/*
 * A push machine over any cut of the input. It yields runs of message octets
 * (CRLF line ends, dot-unstuffed) as views into the input or constants, so
 * that the caller never copies.
 */
enum dot_event {
	DOT_MORE, /* all input taken; *run may hold octets */
	DOT_RUN,  /* call again with the rest; *run may hold octets */
	DOT_END,  /* CRLF . CRLF: *used tells where commands go on */
	DOT_BAD,  /* the first bare CR, bare LF or NUL: see dot.why */
};

enum dot_fault { DOT_FINE, DOT_BARE_CR, DOT_BARE_LF, DOT_NUL };

struct dot {
	enum dot_state { DOT_BOL, DOT_TEXT, DOT_CR, DOT_STOP, DOT_STOP_CR } at;
	enum dot_fault why; /* the first fault; sticky */
};

/*
 * Looks at in, which must not be empty. *used: octets taken (none, when a
 * DOT_BAD is about what came before); *run: octets of the message. After
 * DOT_BAD, which comes once, the machine goes on without runs (the fault is
 * kept in why) so that the caller can look for the true end and refuse there:
 * only CRLF . CRLF ever ends the text. Start with all zero.
 */
enum dot_event dot_push(struct dot *, struct span in, size_t *used,
    struct span *run);

#endif
