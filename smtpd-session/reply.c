/* SPDX-License-Identifier: ISC */
/* The writing of replies. */
#include <stdarg.h>
#include <stdio.h>

#include "reply.h"

void
reply_init(struct reply *r, int fd, uint64_t patience)
{
	outbuf_init(&r->out, fd, r->mem, sizeof(r->mem));
	r->patience = patience;
	r->broken = false;
	r->refused = 0;
}

static void
reply_add(struct reply *r, const char *s, size_t n)
{
	if (!r->broken &&
	    outbuf_add(&r->out, s, n,
		r->out.cap - r->out.len < n ? clock_in(r->patience) : NEVER) !=
		IO_OK)
		r->broken = true;
}

void
reply(struct reply *r, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int w;

	va_start(ap, fmt);
	w = vsnprintf(r->last, sizeof(r->last), fmt, ap);
	va_end(ap);
	n = w < 0 ? 0 : (size_t)w > REPLY_MAX ? REPLY_MAX : (size_t)w;
	for (size_t i = 0; i < n; i++)
		if (r->last[i] < ' ' || r->last[i] > '~')
			r->last[i] = '?';
	if (r->last[0] == '5')
		r->refused++;
	reply_add(r, r->last, n);
	reply_add(r, "\r\n", 2);
}

void
reply_flush(struct reply *r)
{
	if (r->out.len == 0 || r->broken)
		return;
	if (outbuf_flush(&r->out, clock_in(r->patience)) != IO_OK)
		r->broken = true;
}

static bool
reply_digits(struct span *s, size_t max)
{
	size_t n = 0;

	while (n < s->n && n < max && ascii_isdigit(s->p[n]))
		n++;
	*s = span_skip(*s, n);
	return n > 0;
}

static bool
reply_char(struct span *s, char c)
{
	bool is = s->n > 0 && s->p[0] == c;

	*s = span_skip(*s, is ? 1 : 0);
	return is;
}

bool
reply_is(struct span s, char class)
{
	if (s.n > REPLY_MAX || s.n < sizeof("450 4.1.1") || s.p[0] != class ||
	    s.p[4] != class)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	for (size_t i = 1; i < 3; i++)
		if (!ascii_isdigit(s.p[i]))
			return false;
	s = span_skip(s, 3);
	return reply_char(&s, ' ') && reply_digits(&s, 1) &&
	    reply_char(&s, '.') && reply_digits(&s, 3) && reply_char(&s, '.') &&
	    reply_digits(&s, 3) && reply_char(&s, ' ');
}
