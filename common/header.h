/* SPDX-License-Identifier: ISC */
/* The header section of a message, field by field, however it is cut. */
#ifndef HEADER_H
#define HEADER_H

#include "sbuf.h"

#define HEADER_KEPT 8192    /* octets of a field that are looked at */
#define HEADER_LINE_MAX 998 /* RFC 5322 2.1.1, without CRLF */

/*
 * Are these one or more whole fields as RFC 5322 2.2 has them, that can be
 * put on top of any message: printable ASCII, blanks and CRLF, no line longer than
 * HEADER_LINE_MAX, no blank line, and each name right before its colon?
 */
bool header_is_fields(struct span lines) MUST_CHECK;

enum header_event {
	HEADER_MORE,  /* all input taken */
	HEADER_FIELD, /* one whole field is in h->field */
	HEADER_END,   /* the section is over; *used is before the body */
};

/*
 * A push machine over message octets with CRLF or LF line ends. A field is
 * what RFC 5322 2.2 calls one, with its folded lines; a line that is not one
 * (no colon within HEADER_KEPT octets, a blank inside the name, a control or
 * an octet above 0x7f) ends the section, as does the empty line. Blanks
 * between name and colon are obsolete syntax, and taken. Of a longer field
 * the first HEADER_KEPT octets are kept. When there was no memory field.bad
 * says so: the caller's is a temporary failure.
 */
struct header {
	struct sbuf field; /* raw, with line ends */
	bool done;
	bool complete;   /* state: field ends with a whole line */
	bool given;      /* state: field was handed out */
	bool cut;        /* the field was longer than HEADER_KEPT */
	bool ended;      /* the empty line was seen (and is in *used) */
	size_t name_len; /* octets before the colon, once it was seen */
	uint64_t length; /* octets of the field, all of them */
};

void header_init(struct header *);
void header_free(struct header *);

/*
 * Pushes in; *used says how much was taken. After HEADER_FIELD the caller
 * looks at header_name and header_value, then pushes the rest; at the end of
 * the message header_finish returns the last field, if any, and then
 * HEADER_END.
 *
 * After HEADER_END field holds octets of the body: the start of its first
 * line, when earlier pushes have taken it before it was seen to be no field.
 * It is empty after the empty line.
 */
enum header_event header_push(struct header *, struct span in, size_t *used);
enum header_event header_finish(struct header *);

/*
 * The fields of a section that is in memory, from the top down. next: *field
 * is all octets of one; false: there is no more, or no memory, as
 * header.field.bad says.
 */
struct header_walk {
	struct header header;
	struct span rest;
};

void header_walk_start(struct header_walk *, struct span section);
bool header_walk_next(struct header_walk *, struct span *field);
void header_walk_stop(struct header_walk *);

/*
 * Of the field: its name, and its value trimmed and unfolded, which is done
 * in place: take what you need of the raw field before.
 */
struct span header_name(const struct header *);
struct span header_value(struct header *);

#endif
