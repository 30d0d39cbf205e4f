/* SPDX-License-Identifier: ISC */
/* A message cut into the whole fields of its header section, and its body. */
#ifndef FIELDS_H
#define FIELDS_H

#include "sbuf.h"

#define FIELDS_SIZE_MAX (1024 * 1024) /* octets of all fields */
#define FIELDS_MAX 2000

/*
 * Who listens. A field is given with its line ends but the last. A stray line
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
 * A push machine over CRLF lines. Unlike header.h, which keeps 8 KiB of a
 * field for those who look at a few, it keeps each whole, since signatures
 * cover it. The section ends where header.h says that it does; then malformed
 * says that it was not with an empty line. Beyond the limits fields are left
 * out, and too_large says so.
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

#endif
