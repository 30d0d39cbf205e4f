/* SPDX-License-Identifier: ISC */
/* Which header fields a signature covers. */
#ifndef FIELDS_H
#define FIELDS_H

#include "span.h"

enum fields_rule {
	FIELDS_ALWAYS,  /* signed, and once more than there are */
	FIELDS_PRESENT, /* the same, but only if the message has one */
};

struct fields_name {
	const char *name;
	enum fields_rule rule;
};

#define FIELDS_MAX 32
extern const struct fields_name fields_signed[];
extern const size_t fields_count; /* at most FIELDS_MAX */

/* The place of a field in fields_signed, or fields_count. */
size_t fields_find(struct span name);

#endif
