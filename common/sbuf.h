/* SPDX-License-Identifier: ISC */
/* Bounded strings that grow: the owner sets the limit, failure is sticky. */
#ifndef SBUF_H
#define SBUF_H

#include "span.h"

/*
 * Appends never fail loudly: one that does not fit (or finds no memory) sets
 * bad and adds nothing, and so do all later ones. Check bad once, at the end.
 */
struct sbuf {
	char *s;              /* never NULL; s[len] == '\0' */
	size_t len, cap, max; /* max: the owner's limit on len */
	bool bad;
};

/* Initializer of an empty string that fills an array and never leaves it. */
#define SBUF_IN(mem) \
	{ \
		.s = (mem), .cap = sizeof(mem), .max = sizeof(mem) - 1 \
	}

/* An empty string that may grow to max octets. Allocates nothing. */
void sbuf_init(struct sbuf *, size_t max);

/* Gives the memory back; the string is empty and usable again. */
void sbuf_free(struct sbuf *);

/* The same of a secret: nothing is left of it in memory. */
void sbuf_wipe(struct sbuf *);

/* Empties it and clears bad; keeps the memory. */
void sbuf_reset(struct sbuf *);

/*
 * Room for n more octets at s + len, for a caller that writes them itself. False: it
 * is bad, or they do not fit.
 */
bool sbuf_reserve(struct sbuf *, size_t n) MUST_CHECK;

void sbuf_add(struct sbuf *, const void *, size_t);
void sbuf_adds(struct sbuf *, const char *);
void sbuf_addspan(struct sbuf *, struct span);
void sbuf_putc(struct sbuf *, char);
void sbuf_addf(struct sbuf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops what is beyond len (a length that it had before). */
void sbuf_truncate(struct sbuf *, size_t len);

static inline struct span
sbuf_span(const struct sbuf *b)
{
	return (struct span){ b->s, b->len };
}

#endif
