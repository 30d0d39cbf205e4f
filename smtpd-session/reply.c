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
