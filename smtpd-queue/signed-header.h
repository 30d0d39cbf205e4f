/* SPDX-License-Identifier: ISC */
/* Which header fields DKIM signatures cover, and which a message has. */
#ifndef SIGNED_HEADER_H
#define SIGNED_HEADER_H

#include "header.h"

/* Of one message; RFC 5322 3.6 has one of each. More are refused. */
#define SIGNED_FIELDS_MAX 200

enum signed_rule {
	SIGNED_ALWAYS,  /* signed, once more often than it occurs */
	SIGNED_PRESENT, /* the same, but only if it occurs */
};

struct signed_field {
	const char *name;
	enum signed_rule rule;
};

#define SIGNED_NAMES_MAX 32
extern const struct signed_field signed_fields[];
extern const size_t signed_count; /* at most SIGNED_NAMES_MAX */

/* The index of a field in signed_fields, or signed_count. */
size_t signed_find(struct span name);

/* The octets behind the colon, without the last line end. */
struct span signed_value(struct span field);

struct signed_header {
	struct sbuf author; /* the domain of From */
	unsigned from;      /* number of From fields */
	bool good;          /* From could be parsed */
	bool nul;           /* there is a NUL in a field to be signed */
	bool bad;           /* out of memory: nothing is known */
	size_t count;       /* of fields to be signed */
	bool seen[SIGNED_NAMES_MAX];
};

void signed_survey(struct signed_header *, struct span section);
void signed_free(struct signed_header *);

#endif
