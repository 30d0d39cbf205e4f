/* SPDX-License-Identifier: ISC */
/* Finds Authentication-Results that claim to be of this host. */
#ifndef FORGED_H
#define FORGED_H

#include "span.h"

struct advise_text; /* advise.h */

#define FORGED_KEPT 8192 /* octets within which a field must show its id */

/*
 * A push machine over the octets of a message. It finds the fields to
 * delete: each whole Authentication-Results (RFC 8601) whose authserv-id is
 * host, in any case, folding or quoting, with comments, a version or a final
 * dot; and each for which that cannot be decided: after FORGED_KEPT octets the
 * name or the id has not ended, the id has octets outside printable ASCII or an
 * encoded word, or a comment or quotation never ends. No other octet is
 * deleted.
 *
 * Other programs may see a header section where we see none: so a line ends
 * with CRLF, LF or CR, a line that is no field does not end the section, and
 * only an empty line (CRLF or LF) does.
 */
enum forged_at {
	FORGED_LINE_START,
	FORGED_IN_LINE,
	FORGED_CR,            /* ends a line, or half of that */
	FORGED_LINE_START_CR, /* the same, and nothing is on it */
	FORGED_OVER,          /* the section: all stays */
};

enum forged_fate {
	FORGED_OPEN,
	FORGED_STAYS,
	FORGED_GOES,
};

enum forged_part {
	FORGED_NAME,
	FORGED_COLON, /* is due */
	FORGED_ID,
	FORGED_EQUALS, /* was seen: is it an encoded word? */
};

struct forged_range {
	uint64_t offset, length; /* in the message */
};

struct forged {
	const char *host; /* the caller's */
	enum forged_at at;
	enum forged_at before; /* at the end of what stays before the field */
	enum forged_fate fate; /* of the field */
	enum forged_part part; /* of the field, while it is open */
	bool quoted, escaped;  /* within the id */
	unsigned comments;     /* open ones, within each other */
	size_t matched;        /* octets of the name or of the id */
	uint64_t field;        /* its offset */
	uint64_t offset;       /* octets taken */
	struct forged_range gone; /* up to the field; of length 0: nothing */
};

void forged_init(struct forged *, const char *host);

/*
 * Takes octets off *in until a range to delete has ended (true) or *in is empty
 * (false). The ranges ascend and never touch. After forged_is_over, nothing
 * more can be deleted. At the end of the message forged_finish returns the last
 * range, if it is still due.
 */
bool forged_push(struct forged *, struct span *in,
    struct forged_range *) MUST_CHECK;
bool forged_is_over(const struct forged *);
bool forged_finish(struct forged *, struct forged_range *) MUST_CHECK;

/* False stops the search. errno is kept. */
typedef bool forged_range_fn(void *context, uint64_t offset, uint64_t length);

/*
 * Calls fn for each range of the text to delete; the ranges ascend and never
 * touch. Only the header section is read, with pread(2). False: it cannot be
 * read (errno; EIO when it is shorter than length), or fn returned false.
 */
bool forged_find(int fd, uint64_t length, const char *host, forged_range_fn *fn,
    void *context) MUST_CHECK;

/*
 * The same for an adviser: advises to delete them. False: the advice has ended
 * with a refusal or a delay.
 */
bool forged_advise(const struct advise_text *, const char *host) MUST_CHECK;

/* Would any of these whole header fields go? */
bool forged_claims(struct span lines, const char *host) MUST_CHECK;

#endif
