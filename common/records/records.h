/* SPDX-License-Identifier: ISC */
/* The DNS records that a mail domain of this host needs. */
#ifndef RECORDS_H
#define RECORDS_H

#include "../../smtpd-queue/sign/dkim-keys.h"
#include "dns/dns.h"

enum records_kind {
	RECORDS_MX,
	RECORDS_SPF,
	RECORDS_DKIM,
	RECORDS_NO_KEY, /* a remark in place of a record */
	RECORDS_DMARC,
	RECORDS_STS,      /* MTA-STS, RFC 8461: that there is a policy */
	RECORDS_STS_HOST, /* the web server with the policy */
	RECORDS_TLSRPT,   /* RFC 8460 */
	RECORDS_HOST,     /* the address of this host, which we do not know */
	RECORDS_HOST_SPF, /* for HELO, and for mail without a sender */
};

struct record {
	enum records_kind kind;
	char name[DNS_NAME_SIZE];
	struct sbuf text; /* of TXT: one string; else as in a zone file */
	/* for DKIM; key_domain points into name */
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

/* The keys may be freed afterwards. False: a name would be too long. */
bool records_make(struct records *, const struct conf *, struct span domain,
    const struct dkim_keys *) MUST_CHECK;
void records_free(struct records *);

/* "TXT", "MX", ...; NULL for RECORDS_NO_KEY. */
const char *records_type(enum records_kind);

/* Appends one or all as lines of a zone file. */
void records_print_one(struct sbuf *, const struct record *);
void records_print(struct sbuf *, const struct records *);

/*
 * Appends a TXT record, cut into as many strings as it needs. name: without a
 * dot at its end; text: printable ASCII.
 */
void records_txt(struct sbuf *, struct span name, struct span text);

/* Appends the policy of MTA-STS, or a configuration of Caddy that serves it. */
void records_policy(struct sbuf *, const struct conf *);
void records_caddy(struct sbuf *, const struct records *);

#endif
