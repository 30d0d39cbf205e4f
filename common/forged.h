/* SPDX-License-Identifier: ISC */
/* Leaves out Authentication-Results that claim to be of this host. */
#ifndef FORGED_H
#define FORGED_H

#include "span.h"

#define FORGED_KEPT 8192 /* octets of a field in which it must show whose */

/*
 * A push machine over the octets of a message. What is left out are whole
 * fields Authentication-Results (RFC 8601) whose authserv-id is host, in any
 * case, folding, quoting, with comments, a version or a final dot; and those
 * of which that cannot be decided: after FORGED_KEPT octets no name or no id
 * is over, the id has octets outside printable ASCII or an encoded word, a
 * comment or quotation never ends. All other octets pass as they are.
 *
 * Other programs may read a header section that we would not: so a line ends
 * with CRLF, LF or CR, a line that is no field does not end the section, and
 * only an empty line (CRLF or LF) does.
 */
enum forged_at {
	FORGED_LINE_START,
	FORGED_IN_LINE,
	FORGED_CR,            /* ends a line, or half of that */
	FORGED_LINE_START_CR, /* the same, and nothing is on it */
	FORGED_OVER,          /* the section: all passes */
};

enum forged_fate {
	FORGED_OPEN, /* its octets are held */
	FORGED_PASSES,
	FORGED_GOES,
};

enum forged_part {
	FORGED_NAME,
	FORGED_COLON, /* is due */
	FORGED_ID,
	FORGED_EQUALS, /* was seen: is it an encoded word? */
};

struct forged {
	const char *host; /* the caller's */
	enum forged_at at;
	enum forged_at before; /* at the end of what passed before the field */
	enum forged_fate fate; /* of the field */
	enum forged_part part; /* of the field, while it is open */
	bool quoted, escaped;  /* within the id */
	unsigned comments;     /* open ones, within each other */
	size_t matched;        /* octets of the name or of the id */
	unsigned removed;      /* fields, in all */
	size_t len;            /* octets in held */
	char held[FORGED_KEPT + 1];
};

void forged_init(struct forged *, const char *host);

/*
 * Takes octets off *in, at least one if there is one, and gives those that
 * pass: a view into them or into the struct, valid until the next call, that
 * may be empty. Call it until *in is empty; at the end of the message
 * forged_finish gives what is still held and passes.
 */
struct span forged_push(struct forged *, struct span *in) MUST_CHECK;
struct span forged_finish(struct forged *) MUST_CHECK;

#endif
