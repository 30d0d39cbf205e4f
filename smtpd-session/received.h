/* SPDX-License-Identifier: ISC */
/* The trace field that we put on top of a message: RFC 5321 4.4. */
#ifndef RECEIVED_H
#define RECEIVED_H

#include <time.h>

#include "cidr.h"
#include "sbuf.h"

/* It always fits: HELO name, host and path have their limits. */
#define RECEIVED_MAX 2048

struct received {
	struct span helo;    /* as the client gave it: any octets */
	const struct ip *ip; /* size 0: unknown */
	bool hidden;         /* nothing is said of the client */
	const char *host;
	const char *protocol; /* RFC 3848: SMTP, ESMTP, ESMTPS ... */
	const char *tls;      /* words of letters, digits, "-._"; "": none */
	const char *id;
	struct span path; /* <forward-path>; empty: no "for" clause */
	time_t time;
};

/*
 * Appends the field with its CRLF, folded so that lines stay within 78
 * octets, but for single words that are longer. Whatever is in helo, what
 * comes out is one well-formed field.
 */
void received_field(struct sbuf *, const struct received *);

#endif
