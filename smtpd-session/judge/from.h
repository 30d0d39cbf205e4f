/* SPDX-License-Identifier: ISC */
/* Whose mail it claims to be: the domains of all addresses in From. */
#ifndef FROM_H
#define FROM_H

#include "dns/dns.h"

#define FROM_DOMAINS_MAX 8

/*
 * A push machine over the values of From fields (RFC 5322 3.4, with comments,
 * quoted strings, folding, groups). It takes the domain of every address that
 * any reader may see there: of two fields, of several addresses, of both in
 * "a@one.example <b@two.example>"; never one in quotes or a comment. What it
 * cannot make sense of it takes as far as it goes, and sets bad.
 */
struct from {
	char domains[FROM_DOMAINS_MAX][DNS_NAME_SIZE]; /* lower case, once */
	unsigned n;
	unsigned fields;
	bool bad; /* no reader need see what we see */

	enum from_at {
		FROM_PHRASE, /* words; an address, if an @ follows */
		FROM_ANGLE,  /* between < and @ */
		FROM_DOMAIN,
		FROM_AFTER, /* behind a whole address */
	} at;
	unsigned depth; /* of comments */
	bool quoted, escaped;
	bool angle; /* the address stands in < > */
	bool words; /* the mailbox, or what stands in < >, has begun */
	bool group;
	bool gap; /* blanks or a comment within the domain */
	bool cr;
	size_t len; /* of the domain that is being read */
};

void from_init(struct from *);

/* A field begins; octets of its value, also its line ends; it is over. */
void from_begin(struct from *);
void from_push(struct from *, char c);
void from_end(struct from *);

#endif
