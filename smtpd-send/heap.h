/* SPDX-License-Identifier: ISC */
/* The waiting messages by the time they are due, the next one on top. */
#ifndef HEAP_H
#define HEAP_H

#include "message.h"

struct heap {
	struct message **at;
	size_t n, cap;
};

/* Makes room for n: for every message there is, in the heap or not. */
bool heap_reserve(struct heap *, size_t n) MUST_CHECK;

/* Puts it in as due then, or moves it there. */
void heap_put(struct heap *, struct message *, instant due);

/* Takes it out, if it is in. */
void heap_remove(struct heap *, struct message *);

static inline struct message *
heap_top(const struct heap *h)
{
	return h->n > 0 ? h->at[0] : NULL;
}

void heap_free(struct heap *);

#endif
