/* SPDX-License-Identifier: ISC */
/* The table of messages: chained buckets, by the random part of the id. */
#include <stdlib.h>

#include "message.h"

#define BUCKETS_MIN 256

uint32_t
message_seed(const char *id)
{
	uint64_t v = 0;

	if (!span_hex(span_of(id + QUEUE_ID_LEN - 8, 8), UINT32_MAX, &v))
		return 0;
	return (uint32_t)v;
}

static size_t
slot_of(const struct table *t, const char *id)
{
	return message_seed(id) & (t->nbuckets - 1);
}

static bool
grow(struct table *t)
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
			struct message **b = &to.bucket[slot_of(&to, m->id)];

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
	for (m = t->bucket[slot_of(t, id)]; m != NULL; m = m->chain)
		if (memcmp(m->id, id, QUEUE_ID_LEN) == 0)
			break;
	return m;
}

struct message *
table_add(struct table *t, const char *id)
{
	struct message *m, **b;

	if (t->count >= t->nbuckets && !grow(t) && t->nbuckets == 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	memcpy(m->id, id, QUEUE_ID_LEN);
	b = &t->bucket[slot_of(t, id)];
	m->chain = *b;
	*b = m;
	t->count++;
	return m;
}

void
table_remove(struct table *t, struct message *m)
{
	struct message **b = &t->bucket[slot_of(t, m->id)];

	while (*b != m)
		b = &(*b)->chain;
	*b = m->chain;
	t->count--;
	free(m);
}

static uint32_t
reverse(uint32_t v)
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
	*cursor = reverse(reverse(*cursor | ~mask) + 1);
}

static struct message *
first_from(const struct table *t, size_t i)
{
	for (; i < t->nbuckets; i++)
		if (t->bucket[i] != NULL)
			return t->bucket[i];
	return NULL;
}

struct message *
table_first(const struct table *t)
{
	return first_from(t, 0);
}

struct message *
table_after(const struct table *t, const struct message *m)
{
	if (m->chain != NULL)
		return m->chain;
	return first_from(t, slot_of(t, m->id) + 1);
}
