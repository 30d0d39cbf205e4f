/* SPDX-License-Identifier: ISC */
/* A reply of another SMTP server (RFC 5321 4.2), in pieces of any size. */
#include "remote-answer.h"

#define CODE_DIGITS 3

void
answer_init(struct answer *a)
{
	sbuf_init(&a->text, ANSWER_KEPT);
	answer_reset(a);
}

void
answer_free(struct answer *a)
{
	sbuf_free(&a->text);
}

void
answer_reset(struct answer *a)
{
	sbuf_reset(&a->text);
	a->code = a->line_code = 0;
	a->column = a->total = 0;
	a->more = a->cr = false;
}

static void
answer_keep(struct answer *a, char c)
{
	if (a->text.len < a->text.max)
		sbuf_putc(&a->text,
		    c == '\n' || (c >= ' ' && c <= '~') ? c : '?');
}

/* At the line feed: was this a line of a reply, and was it the last? */
static enum answer_event
answer_end_line(struct answer *a)
{
	bool last = !a->more;

	if (a->column < CODE_DIGITS || a->line_code < 200 || a->line_code > 599)
		return ANSWER_BAD;
	/* All lines should have the same code; if not, the last one counts. */
	a->code = a->line_code;
	a->column = 0;
	a->line_code = 0;
	a->more = a->cr = false;
	if (!last)
		answer_keep(a, '\n');
	return last ? ANSWER_WHOLE : ANSWER_MORE;
}

static bool
answer_take(struct answer *a, char c)
{
	if (a->column < CODE_DIGITS) {
		if (!ascii_isdigit(c))
			return false;
		a->line_code = a->line_code * 10 + (unsigned)(c - '0');
	} else if (a->column == CODE_DIGITS) {
		if (c != '-' && c != ' ')
			return false;
		a->more = c == '-';
	}
	a->column++;
	answer_keep(a, c);
	return a->column <= ANSWER_LINE;
}

enum answer_event
answer_push(struct answer *a, struct span in, size_t *used)
{
	for (size_t i = 0; i < in.n; i++) {
		enum answer_event e = ANSWER_MORE;
		char c = in.p[i];

		*used = i + 1;
		if (++a->total > ANSWER_LIMIT)
			return ANSWER_BAD;
		if (c == '\n') {
			/*
			 * Some servers end lines in LF only; the meaning is
			 * clear.
			 */
			e = answer_end_line(a);
		} else if (a->cr && !answer_take(a, '\r')) {
			e = ANSWER_BAD;
		} else {
			a->cr = c == '\r';
			if (!a->cr && !answer_take(a, c))
				e = ANSWER_BAD;
		}
		if (e != ANSWER_MORE)
			return e;
	}
	*used = in.n;
	return ANSWER_MORE;
}

struct span
answer_line(struct span *rest)
{
	return span_skip(span_cut(rest, '\n'), CODE_DIGITS + 1);
}
