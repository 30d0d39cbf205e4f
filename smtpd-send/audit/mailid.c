/* SPDX-License-Identifier: ISC */
/* Queue ids in little room, and a set of those that are done with. */
#include "mailid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

#define TIME_DIGITS 14

bool
mailid_parse(struct span s, struct mailid *id)
{
	uint64_t random;

	if (!queue_id_valid(s) ||
	    !span_hex(span_of(s.p, TIME_DIGITS), UINT64_MAX, &id->time) ||
	    !span_hex(span_skip(s, TIME_DIGITS), UINT32_MAX, &random))
		return false;
	id->random = (uint32_t)random;
	return id->time != 0;
}

void
mailid_text(const struct mailid *id, char out[QUEUE_ID_SIZE])
{
	(void)snprintf(out, QUEUE_ID_SIZE, "%014" PRIx64 "%08" PRIx32,
	    id->time & 0xffffffffffffff, id->random);
}

bool
mailid_eq(const struct mailid *a, const struct mailid *b)
{
	return a->time == b->time && a->random == b->random;
}

size_t
mailid_hash(const struct mailid *id)
{
	uint64_t x = (id->time ^ ((uint64_t)id->random << 24)) *
	    0x9e3779b97f4a7c15U;

	return (size_t)(x ^ (x >> 32));
}

static struct mailset_entry *
mailset_place(const struct mailset *s, const struct mailid *id)
{
	size_t i = mailid_hash(id);

	for (;; i++) {
		struct mailset_entry *e = &s->entries[i & (s->size - 1)];

		if (e->time == 0 ||
		    (e->time == id->time && e->random == id->random))
			return e;
	}
}

struct mailset_entry *
mailset_find(const struct mailset *s, const struct mailid *id)
{
	struct mailset_entry *e = s->size > 0 ? mailset_place(s, id) : NULL;

	return e != NULL && e->time != 0 ? e : NULL;
}

static void
mailset_grow(struct mailset *s)
{
	struct mailset old = *s;

	s->size = old.size > 0 ? 2 * old.size : 1024;
	s->entries = calloc(s->size, sizeof(*s->entries));
	if (s->entries == NULL)
		die_sys(EXIT_TEMP, "no memory for %zu messages", s->size);
	for (size_t i = 0; i < old.size; i++) {
		const struct mailset_entry *e = &old.entries[i];
		const struct mailid id = { e->time, e->random };

		if (e->time != 0)
			*mailset_place(s, &id) = *e;
	}
	free(old.entries);
}

void
mailset_add(struct mailset *s, const struct mailid *id, uint32_t flags)
{
	if (s->used >= s->size / 4 * 3)
		mailset_grow(s);
	*mailset_place(s, id) = (struct mailset_entry){ id->time, id->random,
		flags };
	s->used++;
}
