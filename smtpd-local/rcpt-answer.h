/* SPDX-License-Identifier: ISC */
/* What smtpd-rcpt answers to one frame. */
#ifndef RCPT_ANSWER_H
#define RCPT_ANSWER_H

#include "frame.h"
#include "rcpt-table.h"

#define RCPT_REQUEST_MAX 1024         /* one frame on the wire */
#define RCPT_ANSWER_MAX (1024 * 1024) /* a thousand T frames, and K */

/*
 * Appends the answer: to Q one of K Z X, to L and J any number of T before it;
 * nothing to a lower-case frame.
 */
void rcpt_answer(struct rcpt_table *, const struct frame *, struct sbuf *out);

#endif
