/* SPDX-License-Identifier: ISC */
/* Message octets as they go on the wire after DATA (RFC 5321 4.5.2). */
#ifndef STUFF_H
#define STUFF_H

#include "bufio.h"

/*
 * Doubles a dot at the beginning of a line, and lets no bare CR or LF out:
 * each becomes CRLF. Initialise with { 0 }.
 */
struct stuff {
	bool in_line; /* not at the beginning of a line */
	bool cr;      /* a CR came last and is not written yet */
};

enum io stuff_add(struct stuff *, struct outbuf *, struct span,
    instant) MUST_CHECK;

/* Ends an unfinished line; the final dot may follow. */
enum io stuff_finish(struct stuff *, struct outbuf *, instant) MUST_CHECK;

#endif
