/* SPDX-License-Identifier: ISC */
/* Addresses and domains as RFC 5321 section 4.1.2 and 4.1.3 write them. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "sbuf.h"

#define ADDRESS_LOCAL_MAX 64   /* RFC 5321 4.5.3.1.1 */
#define ADDRESS_DOMAIN_MAX 255 /* 4.5.3.1.2 */
#define ADDRESS_PATH_MAX 256   /* 4.5.3.1.3, with the angle brackets */

enum address_result {
	ADDRESS_OK,
	ADDRESS_SYNTAX,
	ADDRESS_LOCAL_TOO_LONG,
	ADDRESS_DOMAIN_TOO_LONG,
	ADDRESS_PATH_TOO_LONG,
	ADDRESS_UTF8, /* octets above 0x7f: SMTPUTF8 is not spoken */
};

/* Views into the text that was parsed. */
struct address {
	struct span whole;  /* local-part@domain, without any source route */
	struct span local;  /* as written: a quoted one with its quotes */
	struct span domain; /* without a trailing dot; a literal with its [] */
	bool quoted;        /* local is a Quoted-string */
	bool literal;       /* domain is an address literal */
};

enum address_path {
	ADDRESS_REVERSE, /* may be <> : then all three spans are empty */
	ADDRESS_FORWARD, /* may be <postmaster>: then domain is empty */
};

/*
 * Takes one path, "<" to ">", off the front of *rest. A source route is
 * checked, then left out. On failure *rest is untouched.
 */
enum address_result address_path(struct span *rest, enum address_path,
    struct address *) MUST_CHECK;

/* The whole of s as a Mailbox, without angle brackets. */
enum address_result address_mailbox(struct span s, struct address *) MUST_CHECK;

/* The whole of s is a Domain (labels of letters, digits, hyphens). */
bool address_is_domain(struct span s);

/* The whole of s is an address literal, [192.0.2.1] or [IPv6:2001:db8::1]. */
bool address_is_literal(struct span s);

/*
 * Appends the local-part that is meant: without quotes and quoted-pairs.
 * "joe" and joe name the same mailbox (RFC 5321 4.1.2).
 */
void address_unquote(struct sbuf *, const struct address *);

#endif
