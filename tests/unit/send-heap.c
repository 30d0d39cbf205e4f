/* SPDX-License-Identifier: ISC */
/* The heap of due times and the table of messages, at 100,000. */
#include "waiting.h"

#include <stdio.h>

#include "tap.h"

#define N 100000

static uint32_t state = 1;

static uint32_t
chance(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void
name(char id[QUEUE_ID_SIZE], unsigned i)
{
	(void)snprintf(id, QUEUE_ID_SIZE, "%014x%08x", i / 3, i * 2654435761U);
}

static bool
in_order(const struct heap *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->at[i]->place != i + 1 ||
		    (i > 0 && h->at[(i - 1) / 2]->due > h->at[i]->due))
			return false;
	return true;
}

#define SCANNED 5000

/* Every message there is from the first step on, and none twice. */
static void
scan_while_it_grows(void)
{
	static unsigned char met[SCANNED];
	struct table t = { 0 };
	struct message *m;
	struct sbuf ids;
	uint32_t cursor = 0;
	char id[QUEUE_ID_SIZE];
	unsigned n = 0, missed = 0, twice = 0;

	sbuf_init(&ids, SCANNED * QUEUE_ID_LEN * 4);
	table_scan(&t, &cursor, &ids);
	ok(cursor == 0 && ids.len == 0, "there is nothing in an empty table");
	for (; n < SCANNED / 2; n++) {
		name(id, n);
		if (table_add(&t, id) == NULL)
			return;
	}
	do {
		table_scan(&t, &cursor, &ids);
		name(id, n++);
		if (n <= SCANNED && table_add(&t, id) == NULL)
			return;
	} while (cursor != 0);
	for (unsigned i = 0; i < SCANNED; i++) {
		name(id, i);
		for (size_t at = 0; at < ids.len; at += QUEUE_ID_LEN)
			met[i] += memcmp(ids.s + at, id, QUEUE_ID_LEN) == 0;
		missed += i < SCANNED / 2 && met[i] == 0;
		twice += met[i] > 1;
	}
	ok(t.nbuckets >= SCANNED, "it has grown");
	is_num(missed, 0, "none that was there is missed");
	is_num(twice, 0, "none is met twice");
	sbuf_free(&ids);
	while ((m = table_first(&t)) != NULL)
		table_remove(&t, m);
	free(t.bucket);
}

int
main(void)
{
	struct table t = { 0 };
	struct heap h = { 0 };
	struct message *m;
	char id[QUEUE_ID_SIZE];
	unsigned missing = 0, twice = 0, unsorted = 0, seen = 0;
	instant last = 0;

	ok(heap_top(&h) == NULL, "an empty heap has no top");
	ok(table_find(&t, "00000000000000aabbccdd") == NULL,
	    "an empty table has no messages");
	ok(table_first(&t) == NULL, "and no first one");
	for (unsigned i = 0; i < N; i++) {
		name(id, i);
		twice += table_find(&t, id) != NULL;
		if (!heap_reserve(&h, t.count + 1))
			return 1;
		m = table_add(&t, id);
		if (m == NULL)
			return 1;
		heap_put(&h, m, chance() % 100000);
	}
	is_num(twice, 0, "no id is found before it is added");
	is_num((long long)t.count, N, "all are in the table");
	ok(in_order(&h), "all are in the heap, in order");
	for (unsigned i = 0; i < N; i++) {
		name(id, i);
		m = table_find(&t, id);
		missing += m == NULL || strcmp(m->id, id) != 0;
		if (m != NULL && i % 3 == 0)
			heap_remove(&h, m);
		if (m != NULL && i % 3 == 1)
			heap_put(&h, m, chance() % 100000);
		if (m != NULL && i % 3 == 0)
			heap_remove(&h, m); /* again: no harm */
	}
	is_num(missing, 0, "all are found");
	ok(in_order(&h), "in order after removals and moves");
	is_num((long long)h.n, N - (N + 2) / 3, "those removed are gone");
	for (m = table_first(&t); m != NULL; m = table_after(&t, m))
		seen++;
	is_num(seen, N, "the walk sees each once");
	while ((m = heap_top(&h)) != NULL) {
		unsorted += m->due < last;
		last = m->due;
		heap_remove(&h, m);
		table_remove(&t, m);
	}
	is_num(unsorted, 0, "they come out in order");
	is_num((long long)t.count, (N + 2) / 3, "the others are still there");
	ok(sizeof(struct message) <= 64, "a waiting message is %zu octets",
	    sizeof(struct message));
	while ((m = table_first(&t)) != NULL)
		table_remove(&t, m);
	free(t.bucket);
	heap_free(&h);
	scan_while_it_grows();
	return done();
}
