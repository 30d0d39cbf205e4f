/* SPDX-License-Identifier: ISC */
/* What the DNS should say of a domain, as this host is configured. */
#ifndef RECORDS_H
#define RECORDS_H

#include "../../smtpd-queue/sign/dkim-keys.h"
#include "dns/dns.h"

enum records_kind {
	RECORDS_MX,
	RECORDS_SPF,
	RECORDS_DKIM,
	RECORDS_NO_KEY, /* no record: there is nothing to publish */
	RECORDS_DMARC,
	RECORDS_STS,      /* MTA-STS: there is a policy, RFC 8461 */
	RECORDS_STS_HOST, /* who serves the policy */
	RECORDS_TLSRPT,   /* RFC 8460 */
	RECORDS_HOST,     /* an address of this host; which, nobody knows */
	RECORDS_HOST_SPF, /* for HELO, and for mail with no sender */
};

struct record {
	enum records_kind kind;
	char name[DNS_NAME_SIZE];
	struct sbuf text; /* of TXT: joined; else as in a zone */
	/* Of DKIM; the domain is a part of the name. */
	enum dkim_algorithm algorithm;
	const char *key_domain;
};

#define RECORDS_MAX (DKIM_KEYS_MAX + 8)
#define RECORDS_TEXT_MAX 4096

struct records {
	struct record list[RECORDS_MAX];
	size_t n;
	const struct conf *conf;
	char domain[DNS_NAME_SIZE];
};

/* domain: a domain name. Nothing is kept of the keys. False: too long names. */
bool records_make(struct records *, const struct conf *, struct span domain,
    const struct dkim_keys *) MUST_CHECK;
void records_free(struct records *);

/* "TXT" and the like; NULL for RECORDS_NO_KEY. */
const char *records_type(enum records_kind);

/* Appends one, or all of them, as lines of a zone file. */
void records_print_one(struct sbuf *, const struct record *);
void records_print(struct sbuf *, const struct records *);

/*
 * Appends a TXT record of the name (without a dot at its end), cut into as
 * many strings as it needs. text: ASCII that prints.
 */
void records_txt(struct sbuf *, struct span name, struct span text);

/* Appends the policy of MTA-STS, and what makes Caddy serve it. */
void records_policy(struct sbuf *, const struct conf *);
void records_caddy(struct sbuf *, const struct records *);

#endif
