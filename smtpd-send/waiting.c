/* SPDX-License-Identifier: ISC */
/* The messages of the queue: a table by id, and a heap by the time due. */
#include <stdlib.h>

#include "waiting.h"

#define BUCKETS_MIN 256

/* --- the table: chained buckets, by the random part of the id ---------------- */

uint32_t
message_seed(const char *id)
{
	uint64_t v = 0;

	if (!span_hex(span_of(id + QUEUE_ID_LEN - 8, 8), UINT32_MAX, &v))
		return 0;
	return (uint32_t)v;
}

static size_t
table_slot(const struct table *t, const char *id)
{
	return message_seed(id) & (t->nbuckets - 1);
}

static bool
table_grow(struct table *t)
{
	struct table to = { .nbuckets = t->nbuckets > 0 ? t->nbuckets * 2 :
							  BUCKETS_MIN,
		.count = t->count };

	to.bucket = calloc(to.nbuckets, sizeof(*to.bucket));
	if (to.bucket == NULL)
		return false;
	for (size_t i = 0; i < t->nbuckets; i++) {
		while (t->bucket[i] != NULL) {
			struct message *m = t->bucket[i];
			struct message **b = &to.bucket[table_slot(&to, m->id)];

			t->bucket[i] = m->chain;
			m->chain = *b;
			*b = m;
		}
	}
	free(t->bucket);
	*t = to;
	return true;
}

struct message *
table_find(const struct table *t, const char *id)
{
	struct message *m;

	if (t->nbuckets == 0)
		return NULL;
	for (m = t->bucket[table_slot(t, id)]; m != NULL; m = m->chain)
		if (memcmp(m->id, id, QUEUE_ID_LEN) == 0)
			break;
	return m;
}

struct message *
table_add(struct table *t, const char *id)
{
	struct message *m, **b;

	if (t->count >= t->nbuckets && !table_grow(t) && t->nbuckets == 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	memcpy(m->id, id, QUEUE_ID_LEN);
	b = &t->bucket[table_slot(t, id)];
	m->chain = *b;
	*b = m;
	t->count++;
	return m;
}

void
table_remove(struct table *t, struct message *m)
{
	struct message **b = &t->bucket[table_slot(t, m->id)];

	while (*b != m)
		b = &(*b)->chain;
	*b = m->chain;
	t->count--;
	free(m);
}

static uint32_t
reverse_bits(uint32_t v)
{
	uint32_t r = 0;

	for (unsigned i = 0; i < 32; i++, v >>= 1)
		r = r << 1 | (v & 1);
	return r;
}

/*
 * The buckets are numbered by the low bits of the seed, and a table twice the
 * size tells by one more bit above. Counting from the highest bit down, what
 * one bucket is split into stays together, behind us or before us.
 */
void
table_scan(const struct table *t, uint32_t *cursor, struct sbuf *ids)
{
	uint32_t mask = (uint32_t)(t->nbuckets - 1);

	if (t->nbuckets == 0) {
		*cursor = 0;
		return;
	}
	for (struct message *m = t->bucket[*cursor & mask]; m != NULL;
	     m = m->chain)
		sbuf_add(ids, m->id, QUEUE_ID_LEN);
	*cursor = reverse_bits(reverse_bits(*cursor | ~mask) + 1);
}

static struct message *
table_first_from(const struct table *t, size_t i)
{
	for (; i < t->nbuckets; i++)
		if (t->bucket[i] != NULL)
			return t->bucket[i];
	return NULL;
}

struct message *
table_first(const struct table *t)
{
	return table_first_from(t, 0);
}

struct message *
table_after(const struct table *t, const struct message *m)
{
	if (m->chain != NULL)
		return m->chain;
	return table_first_from(t, table_slot(t, m->id) + 1);
}

/* --- the heap: each message knows its place in it --------------------------- */

static void
heap_set(struct heap *h, size_t i, struct message *m)
{
	h->at[i] = m;
	m->place = (uint32_t)i + 1;
}

static void
heap_rise(struct heap *h, size_t i)
{
	struct message *m = h->at[i];

	for (; i > 0 && h->at[(i - 1) / 2]->due > m->due; i = (i - 1) / 2)
		heap_set(h, i, h->at[(i - 1) / 2]);
	heap_set(h, i, m);
}

static void
heap_sink(struct heap *h, size_t i)
{
	struct message *m = h->at[i];
	size_t child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n &&
		    h->at[child + 1]->due < h->at[child]->due)
			child++;
		if (h->at[child]->due >= m->due)
			break;
		heap_set(h, i, h->at[child]);
		i = child;
	}
	heap_set(h, i, m);
}

static void
heap_settle(struct heap *h, size_t i)
{
	heap_rise(h, i);
	heap_sink(h, h->at[i]->place - 1);
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
		heap_set(h, h->n++, m);
	heap_settle(h, m->place - 1);
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
	heap_set(h, i, last);
	heap_settle(h, i);
}

void
heap_free(struct heap *h)
{
	free(h->at);
	*h = (struct heap){ 0 };
}
