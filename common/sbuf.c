/* SPDX-License-Identifier: ISC */
/* Bounded strings that grow: the owner sets the limit, failure is sticky. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sbuf.h"

/* What s is while cap is 0; it is read, never written. */
#define NOTHING ((char *)(uintptr_t) "")

void
sbuf_init(struct sbuf *b, size_t max)
{
	/* len + 1 is computed freely: it must not wrap. */
	if (max > SIZE_MAX / 2)
		max = SIZE_MAX / 2;
	*b = (struct sbuf){ .s = NOTHING, .max = max };
}

void
sbuf_free(struct sbuf *b)
{
	if (b->cap != 0)
		free(b->s);
	sbuf_init(b, b->max);
}

void
sbuf_wipe(struct sbuf *b)
{
	explicit_bzero(b->s, b->cap);
	sbuf_free(b);
}

void
sbuf_reset(struct sbuf *b)
{
	sbuf_truncate(b, 0);
	b->bad = false;
}

void
sbuf_truncate(struct sbuf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->s[len] = '\0';
}

/* Room for n more octets and the NUL; n is known to be within max. */
static bool
sbuf_grow(struct sbuf *b, size_t n)
{
	size_t need = b->len + n + 1, cap = b->cap < 64 ? 64 : b->cap;
	char *s;

	if (need <= b->cap)
		return true;
	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	s = realloc(b->cap == 0 ? NULL : b->s, cap);
	if (s == NULL)
		return false;
	b->s = s;
	b->cap = cap;
	s[b->len] = '\0';
	return true;
}

bool
sbuf_reserve(struct sbuf *b, size_t n)
{
	if (b->bad || n > b->max - b->len || !sbuf_grow(b, n))
		b->bad = true;
	return !b->bad;
}

void
sbuf_add(struct sbuf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (!sbuf_reserve(b, n))
		return;
	memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void
sbuf_adds(struct sbuf *b, const char *s)
{
	sbuf_add(b, s, strlen(s));
}

void
sbuf_addspan(struct sbuf *b, struct span s)
{
	sbuf_add(b, s.p, s.n);
}

void
sbuf_putc(struct sbuf *b, char c)
{
	sbuf_add(b, &c, 1);
}

void
sbuf_addf(struct sbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->bad = true;
	if (n < 0 || !sbuf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}
