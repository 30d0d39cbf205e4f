/* SPDX-License-Identifier: ISC */
/* One DNS question over TCP (RFC 7766), which udns does not speak. */
#ifndef DNS_TCP_H
#define DNS_TCP_H

#include <udns.h>

#include "clock.h"
#include "endpoint.h"

struct dns_question {
	dnsc_t dn[DNS_MAXDN]; /* the name, as on the wire */
	int type;             /* class IN */
};

struct dns_tcp_answer {
	unsigned char *packet; /* malloc'ed; the caller's */
	size_t length;
	const unsigned char *cursor; /* behind the name of the question:
					   there the parsers of udns begin */
	unsigned rcode;
	bool authentic; /* the AD bit */
};

/*
 * Asks the server. True: a whole answer to this very question came by the
 * deadline, with any response code.
 */
bool dns_tcp_ask(const union endpoint *server, const struct dns_question *,
    instant deadline, struct dns_tcp_answer *) MUST_CHECK;

#endif
