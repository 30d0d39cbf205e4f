/* SPDX-License-Identifier: ISC */
/* A binary heap; each message knows its place in it. */
#include <stdlib.h>

#include "heap.h"

static void
set(struct heap *h, size_t i, struct message *m)
{
	h->at[i] = m;
	m->place = (uint32_t)i + 1;
}

static void
rise(struct heap *h, size_t i)
{
	struct message *m = h->at[i];

	for (; i > 0 && h->at[(i - 1) / 2]->due > m->due; i = (i - 1) / 2)
		set(h, i, h->at[(i - 1) / 2]);
	set(h, i, m);
}

static void
sink(struct heap *h, size_t i)
{
	struct message *m = h->at[i];
	size_t child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n &&
		    h->at[child + 1]->due < h->at[child]->due)
			child++;
		if (h->at[child]->due >= m->due)
			break;
		set(h, i, h->at[child]);
		i = child;
	}
	set(h, i, m);
}

static void
settle(struct heap *h, size_t i)
{
	rise(h, i);
	sink(h, h->at[i]->place - 1);
}

bool
heap_reserve(struct heap *h, size_t n)
{
	size_t cap = h->cap > 0 ? h->cap : 64;
	struct message **at;

	while (cap < n)
		cap *= 2;
	if (cap == h->cap)
		return true;
	at = reallocarray(h->at, cap, sizeof(*at));
	if (at == NULL)
		return false;
	h->at = at;
	h->cap = cap;
	return true;
}

void
heap_put(struct heap *h, struct message *m, instant due)
{
	m->due = due;
	if (m->place == 0)
		set(h, h->n++, m);
	settle(h, m->place - 1);
}

void
heap_remove(struct heap *h, struct message *m)
{
	size_t i = m->place;
	struct message *last;

	if (i-- == 0)
		return;
	m->place = 0;
	last = h->at[--h->n];
	if (last == m)
		return;
	set(h, i, last);
	settle(h, i);
}

void
heap_free(struct heap *h)
{
	free(h->at);
	*h = (struct heap){ 0 };
}
