/* SPDX-License-Identifier: ISC */
/* The file of passwords: one "user:hash" a line. */
#ifndef PWFILE_H
#define PWFILE_H

#include "sbuf.h"

/*
 *	user:hash[:anything]
 *
 * hash is what crypt(5) makes. Lines that are empty or begin with '#' are
 * comments. A user is 1 to 255 octets without ':', controls or blanks at the
 * ends.
 */
#define PWFILE_LINE_MAX 4096

bool pwfile_user_valid(struct span user);

/* Splits a line. False: it is malformed. user is empty for a comment. */
bool pwfile_line(struct span line, struct span *user,
    struct span *hash) MUST_CHECK;

enum pwfile_result {
	PWFILE_FOUND,
	PWFILE_UNKNOWN,
	PWFILE_BAD,   /* unknown, and line *bad is malformed */
	PWFILE_IOERR, /* errno says */
};

/*
 * Looks up a user, from the start of the file and always to its end. hash is
 * the user's, or for an unknown user that of the first entry, if there is one.
 */
enum pwfile_result pwfile_find(int fd, struct span user, struct sbuf *hash,
    unsigned *bad) MUST_CHECK;

#endif
