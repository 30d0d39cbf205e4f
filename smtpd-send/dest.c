/* SPDX-License-Identifier: ISC */
/* The users with mail to deliver, and the line of it that each has. */
#include <stdlib.h>

#include "dest.h"
#include "job.h"

static size_t
bucket_of(struct span name)
{
	return crc32c(0, name.p, name.n) % DEST_BUCKETS;
}

struct dest *
dest_find(const struct dests *t, struct span name)
{
	struct dest *d;

	for (d = t->bucket[bucket_of(name)]; d != NULL; d = d->chain)
		if (span_eq(span_str(d->name), name))
			break;
	return d;
}

struct dest *
dest_get(struct dests *t, struct span name)
{
	struct dest **b = &t->bucket[bucket_of(name)];
	struct dest *d = dest_find(t, name);

	if (d != NULL)
		return d;
	d = calloc(1, sizeof(*d) + name.n + 1);
	if (d == NULL)
		return NULL;
	memcpy(d->name, name.p, name.n);
	d->chain = *b;
	*b = d;
	return d;
}

/* Frees it when nothing is left of it. */
void
dest_drop(struct dests *t, struct dest *d)
{
	struct dest **p = &t->bucket[bucket_of(span_str(d->name))];

	if (d->head != NULL || d->running > 0 || d->ready || d->kept)
		return;
	while (*p != d)
		p = &(*p)->chain;
	*p = d->chain;
	free(d);
}

void
dest_push(struct dest *d, struct rcpt *r)
{
	r->next = NULL;
	if (d->head == NULL)
		d->head = r;
	else
		d->tail->next = r;
	d->tail = r;
}

struct rcpt *
dest_pop(struct dest *d)
{
	struct rcpt *r = d->head;

	d->head = r->next;
	return r;
}

void
dest_push_back(struct dest *d, struct rcpt *r)
{
	r->next = d->head;
	if (d->head == NULL)
		d->tail = r;
	d->head = r;
}
