/* SPDX-License-Identifier: ISC */
/* A message as programs write it (LF) into one as the queue holds it (CRLF). */
#include "text.h"

static enum text_event
end_line(struct text *t, struct sbuf *out)
{
	if (t->at == TEXT_AT_DOT) {
		if (t->dot_ends)
			return TEXT_END;
		sbuf_putc(out, '.');
	}
	sbuf_addspan(out, SPAN("\r\n"));
	t->at = TEXT_AT_START;
	t->cr = false;
	return TEXT_MORE;
}

/* Octets up to the next that means something, in one piece. */
static size_t
add_run(struct text *t, struct span in, struct sbuf *out)
{
	size_t n = 0;

	if (t->at == TEXT_AT_START && in.p[0] == '.') {
		t->at = TEXT_AT_DOT;
		return 1;
	}
	while (n < in.n && in.p[n] != '\n' && in.p[n] != '\r' &&
	    in.p[n] != '\0')
		n++;
	if (t->at == TEXT_AT_DOT)
		sbuf_putc(out, '.');
	sbuf_add(out, in.p, n);
	t->at = TEXT_IN_LINE;
	return n;
}

enum text_event
text_push(struct text *t, struct span in, struct sbuf *out)
{
	while (in.n > 0) {
		char c = in.p[0];
		size_t n = 1;

		if (t->cr && c != '\n')
			return TEXT_BARE_CR;
		if (c == '\0')
			return TEXT_NUL;
		if (c == '\r')
			t->cr = true;
		else if (c != '\n')
			n = add_run(t, in, out);
		else if (end_line(t, out) == TEXT_END)
			return TEXT_END;
		in = span_skip(in, n);
	}
	return TEXT_MORE;
}

enum text_event
text_finish(struct text *t, struct sbuf *out)
{
	if (t->cr)
		return TEXT_BARE_CR;
	return t->at == TEXT_AT_START ? TEXT_MORE : end_line(t, out);
}
