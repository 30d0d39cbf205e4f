/* SPDX-License-Identifier: ISC */
/* Which hosts take the mail of a destination, in which order. */
#ifndef TARGET_H
#define TARGET_H

#include "dns/dns.h"
#include "mail.h"

#define TARGET_HOSTS 64     /* of an MX set; more are left out */
#define TARGET_ADDRESSES 16 /* of one host */

/*
 * "mx DOMAIN [PORT]", "mx [LITERAL]" or "host NAME-OR-ADDRESS [PORT [tls]]".
 */
struct destination {
	struct span name;
	uint16_t port;
	bool mx;      /* look for MX records, guard against loops */
	bool literal; /* name is an IP address */
	bool tls;     /* from the first octet (RFC 8314) */
};

bool destination_parse(struct span, uint16_t smtp_port,
    struct destination *) MUST_CHECK;

struct targets {
	struct dns_mx_host hosts[TARGET_HOSTS];
	size_t n;
	bool implicit; /* the domain itself: it has no MX */
};

/* Why there is nowhere to go. */
struct target_failure {
	enum mail_verdict verdict; /* MAIL_OPEN: no failure */
	const char *text;          /* "550 5.1.2 ..." */
};

/*
 * The hosts by preference, equal ones shuffled: RFC 5321 5.1, RFC 7505. Our
 * own name and what is no better than it is left out.
 */
struct target_failure target_hosts(const struct destination *,
    struct dns_resolver *, const char *hostname, instant deadline,
    struct targets *);

/* The addresses of one of them. */
struct target_failure target_addresses(const struct destination *,
    const struct targets *, struct dns_resolver *, struct span host,
    instant deadline, struct ip *, size_t *n);

#endif
