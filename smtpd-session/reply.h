/* SPDX-License-Identifier: ISC */
/* Replies: one line each, written in groups (RFC 2920). */
#ifndef REPLY_H
#define REPLY_H

#include "bufio.h"

#define REPLY_MAX 510 /* octets of a line without CRLF: RFC 5321 4.5.3.1.5 */

struct reply {
	struct outbuf out;
	uint64_t patience; /* ms that the client may take to read */
	bool broken;       /* sticky: the client no longer reads */
	unsigned refused;  /* 5xx replies so far */
	char last[REPLY_MAX + 1];
	char mem[1024];
};

void reply_init(struct reply *, int fd, uint64_t patience);

/*
 * Adds one reply line. Octets that no reply may contain become '?', and a line
 * over REPLY_MAX is cut. Writes when the buffer is full; failure shows in
 * broken.
 */
void reply(struct reply *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes all waiting replies. */
void reply_flush(struct reply *);

#endif
