/* SPDX-License-Identifier: ISC */
/* The objects of a PEM file (RFC 7468), decoded where they stand. */
#ifndef PEM_H
#define PEM_H

#include "span.h"

struct pem {
	char *at, *end;
};

/* text is overwritten, and stays the caller's; lines end in LF. */
void pem_begin(struct pem *, char *text, size_t n);

enum pem_event {
	PEM_OBJECT, /* name is the word of its BEGIN, der what it holds */
	PEM_END,    /* no more objects; one that is cut off does not count */
	PEM_BROKEN, /* the next one is not base64 */
};

/*
 * name and der are views into text. Nothing is copied, so wiping the text
 * wipes the keys. BearSSL's decoder takes 0.15 ms for 1 KiB: for a chain that
 * is longer than the handshake.
 */
enum pem_event pem_next(struct pem *, struct span *name,
    struct span *der) MUST_CHECK;

#endif
