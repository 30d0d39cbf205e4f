/* SPDX-License-Identifier: ISC */
/* The Received field that a message gets on top: RFC 5321 4.4. */
#ifndef RECEIVED_H
#define RECEIVED_H

#include <time.h>

#include "ip.h"
#include "sbuf.h"

/* It always fits: HELO name, host and path have their limits. */
#define RECEIVED_MAX 2048

struct received {
	struct span helo;    /* as the client gave it: any octets */
	const struct ip *ip; /* size 0: unknown */
	bool hidden;         /* the client is not named */
	const char *host;
	const char *protocol; /* RFC 3848: SMTP, ESMTP, ESMTPS ... */
	const char *tls;      /* words of letters, digits, "-._"; "": no TLS */
	const char *id;
	struct span path; /* <forward-path>; empty: no "for" clause */
	time_t time;
};

/*
 * Appends the field with its CRLF, folded so that lines stay within 78 octets,
 * but for single words that are longer. Whatever helo contains, the result is
 * one well-formed field.
 */
void received_field(struct sbuf *, const struct received *);

#endif
