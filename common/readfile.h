/* SPDX-License-Identifier: ISC */
/* Reads whole small files, and refuses secrets that others can read. */
#ifndef READFILE_H
#define READFILE_H

#include <sys/stat.h>

#include <fcntl.h> /* AT_FDCWD */

#include "sbuf.h"

enum readfile_kind {
	READFILE_ANY,     /* a pipe or a device will do */
	READFILE_REGULAR, /* nothing else: a FIFO would never end */
	/* a password or key: a regular file, ours, with mode 0600 or less */
	READFILE_SECRET,
	/* the same, or root's, and our group may read it: mode 0640 or less */
	READFILE_SHARED_SECRET,
};

/*
 * Opens it for reading and checks its owner and mode. -1 with errno; EPERM:
 * the check. why, if not NULL, gets the reason as text to follow "PATH: ".
 */
int readfile_open(int dir, const char *path, enum readfile_kind,
    struct sbuf *why);

/*
 * Appends all of the file to text, whose max is the limit. False with errno
 * (EFBIG: it is larger), and *why as above. Of a regular file that costs one
 * read and one allocation, so that no copy of a secret is left.
 */
bool readfile(int dir, const char *path, enum readfile_kind, struct sbuf *text,
    struct sbuf *why) MUST_CHECK;

/* The same of an open file; a regular one from its start, whatever its offset. */
bool readfile_all(int fd, struct sbuf *text) MUST_CHECK;

/* Does the mode of a secret let others in? Whose it is does not count. */
bool readfile_is_lax(const struct stat *, enum readfile_kind);

/* The same file, not written to since? All zero: it did not exist. */
bool readfile_same(const struct stat *, const struct stat *);

/* When it was changed, in microseconds since 1970. */
uint64_t readfile_changed_us(const struct stat *);

#endif
