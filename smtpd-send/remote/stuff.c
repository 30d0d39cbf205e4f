/* SPDX-License-Identifier: ISC */
/* Message octets as they go on the wire after DATA (RFC 5321 4.5.2). */
#include "stuff.h"

static enum io
end_line(struct stuff *s, struct outbuf *out, instant deadline)
{
	s->in_line = s->cr = false;
	return outbuf_add(out, "\r\n", 2, deadline);
}

/* A run of octets without CR and LF, not empty. */
static enum io
add_run(struct stuff *s, struct outbuf *out, struct span run, instant deadline)
{
	enum io r = IO_OK;

	if (!s->in_line && run.p[0] == '.')
		r = outbuf_add(out, ".", 1, deadline);
	s->in_line = true;
	return r == IO_OK ? outbuf_add(out, run.p, run.n, deadline) : r;
}

static size_t
run_length(struct span in)
{
	size_t n = 0;

	while (n < in.n && in.p[n] != '\r' && in.p[n] != '\n')
		n++;
	return n;
}

enum io
stuff_add(struct stuff *s, struct outbuf *out, struct span in, instant deadline)
{
	enum io r = IO_OK;

	while (in.n > 0 && r == IO_OK) {
		size_t n = run_length(in);
		bool pair = s->cr && in.p[0] == '\n';

		if (s->cr) {
			/* CRLF, or a bare CR: a line end either way. */
			r = end_line(s, out, deadline);
			in = span_skip(in, pair ? 1 : 0);
		} else if (n > 0) {
			r = add_run(s, out, span_of(in.p, n), deadline);
			in = span_skip(in, n);
		} else if (in.p[0] == '\r') {
			s->cr = true;
			in = span_skip(in, 1);
		} else {
			r = end_line(s, out, deadline);
			in = span_skip(in, 1);
		}
	}
	return r;
}

enum io
stuff_finish(struct stuff *s, struct outbuf *out, instant deadline)
{
	return s->in_line || s->cr ? end_line(s, out, deadline) : IO_OK;
}
