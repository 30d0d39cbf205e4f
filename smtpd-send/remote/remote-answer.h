/* SPDX-License-Identifier: ISC */
/* A reply of another SMTP server (RFC 5321 4.2), in pieces of any size. */
#ifndef REMOTE_ANSWER_H
#define REMOTE_ANSWER_H

#include "sbuf.h"

#define ANSWER_KEPT 7500   /* octets of its text that are kept */
#define ANSWER_LINE 2048   /* a longer line is an error (512 by RFC) */
#define ANSWER_LIMIT 65536 /* and so is a longer reply */

enum answer_event { ANSWER_MORE, ANSWER_WHOLE, ANSWER_BAD };

/* A push machine; the caller owns the text. */
struct answer {
	unsigned code;        /* 200 to 599 when whole: of its last line */
	struct sbuf text;     /* its lines, codes and all, joined by '\n';
				   controls and octets above 0x7e are '?' */
	size_t column, total; /* state: of this line, of all */
	unsigned line_code;
	bool more; /* state: the line has a '-' after its code */
	bool cr;   /* state: a CR came last */
};

void answer_init(struct answer *);
void answer_free(struct answer *);

/* Before the next reply. */
void answer_reset(struct answer *);

/* Takes input until the reply is whole; *used: how many octets. */
enum answer_event answer_push(struct answer *, struct span in, size_t *used);

/* Walks its lines, without code and separator; *rest starts as text. */
struct span answer_line(struct span *rest);

#endif
