/* SPDX-License-Identifier: ISC */
/* The header section of a message: its fields, and whose mail From claims. */
#ifndef JUDGE_HEADER_H
#define JUDGE_HEADER_H

#include "dns/dns.h"
#include "sbuf.h"

/* --- the message cut into fields and body --------------------------------- */

#define FIELDS_SIZE_MAX (1024 * 1024) /* octets of all fields */
#define FIELDS_MAX 2000

/*
 * Gets the parts. A field comes with its line ends but the last. A stray line
 * is one of the body that no empty line has parted from the header: another
 * reader may find fields there.
 */
struct fields_sink {
	void (*field)(void *, struct span field, struct span name);
	void (*end_of_header)(void *);
	void (*body)(void *, struct span);
	void (*stray)(void *, struct span line);
};

/*
 * A push machine over CRLF lines. header.h keeps 8 KiB of a field for readers
 * of a few fields; this keeps each whole, since signatures cover it. The
 * section ends where it ends for header.h; malformed says that this was not
 * at an empty line. Fields beyond the limits are left out, and too_large is
 * set.
 */
struct fields {
	struct sbuf field;
	const struct fields_sink *sink;
	void *context;
	size_t size; /* of all fields */
	size_t line; /* where the last line of field begins */
	unsigned n;
	bool in_body, malformed, too_large;
	bool astray; /* in the body, before an empty line */
};

void fields_init(struct fields *);
void fields_begin(struct fields *, const struct fields_sink *, void *context);
void fields_push(struct fields *, struct span);
void fields_end(struct fields *);

/* --- From ----------------------------------------------------------------- */

#define FROM_DOMAINS_MAX 8

/*
 * A push machine over the values of From fields (RFC 5322 3.4, with comments,
 * quoted strings, folding, groups). It takes the domain of every address that
 * any reader may see there: of two fields, of several addresses, of both in
 * "a@one.example <b@two.example>"; never one in quotes or a comment. A
 * malformed value is taken as far as it goes, and sets bad.
 */
struct from {
	char domains[FROM_DOMAINS_MAX][DNS_NAME_SIZE]; /* lower case, once */
	unsigned n;
	unsigned fields;
	bool bad; /* other readers may see another one */

	enum from_at {
		FROM_PHRASE, /* words; an address, if an @ follows */
		FROM_ANGLE,  /* between < and @ */
		FROM_DOMAIN,
		FROM_AFTER, /* behind a whole address */
	} at;
	unsigned depth; /* of comments */
	bool quoted, escaped;
	bool angle; /* the address is in < > */
	bool words; /* the mailbox, or the address in < >, has begun */
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
