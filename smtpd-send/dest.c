/* SPDX-License-Identifier: ISC */
/* Where mail goes to, users or other hosts, and the lines of it that wait. */
#include <stdlib.h>

#include "dest.h"
#include "life.h"

static uint32_t
dest_hash(struct span name)
{
	return crc32c(0, name.p, name.n);
}

static size_t
dest_bucket(struct span name)
{
	return dest_hash(name) % DEST_BUCKETS;
}

struct dest *
dest_find(const struct dests *t, struct span name)
{
	struct dest *d;

	for (d = t->bucket[dest_bucket(name)]; d != NULL; d = d->chain)
		if (span_eq(span_str(d->name), name))
			break;
	return d;
}

struct dest *
dest_get(struct dests *t, struct span name)
{
	struct dest **b = &t->bucket[dest_bucket(name)];
	struct dest *d = dest_find(t, name);

	if (d != NULL)
		return d;
	d = calloc(1, sizeof(*d) + name.n + 1);
	if (d == NULL)
		return NULL;
	memcpy(d->name, name.p, name.n);
	d->hash = dest_hash(name);
	if (d->hash == 0)
		d->hash = 1;
	d->chain = *b;
	*b = d;
	return d;
}

static bool
dest_is_used(const struct dest *d)
{
	return d->waiting > 0 || d->running > 0 || d->ready[LINE_NEW] ||
	    d->ready[LINE_OLD] || d->kept;
}

static void
dest_unchain(struct dest **p)
{
	struct dest *d = *p;

	*p = d->chain;
	free(d->why);
	free(d);
}

void
dest_drop(struct dests *t, struct dest *d)
{
	struct dest **p = &t->bucket[dest_bucket(span_str(d->name))];

	if (dest_is_used(d) || pace_is_dead(&d->pace))
		return;
	while (*p != d)
		p = &(*p)->chain;
	dest_unchain(p);
}

void
dest_sweep(struct dests *t, instant before)
{
	for (size_t i = 0; i < DEST_BUCKETS; i++)
		for (struct dest **p = &t->bucket[i]; *p != NULL;) {
			struct dest *d = *p;

			if (dest_is_used(d) || d->pace.again >= before)
				p = &d->chain;
			else
				dest_unchain(p);
		}
}

void
dest_push(struct dest *d, enum line line, struct rcpt *r)
{
	r->next = r->also = NULL;
	if (d->head[line] == NULL)
		d->head[line] = r;
	else
		d->tail[line]->next = r;
	d->tail[line] = d->last = r;
	d->joined = 1;
	d->waiting++;
}

bool
dest_join(struct dest *d, enum line line, struct rcpt *r, unsigned max)
{
	if (d->head[line] == NULL || d->tail[line]->job != r->job ||
	    d->joined >= max)
		return false;
	r->next = r->also = NULL;
	d->last->also = r;
	d->last = r;
	d->joined++;
	return true;
}

bool
dest_has(const struct dest *d, const struct job *job)
{
	for (unsigned i = 0; i < LINES; i++)
		if (d->head[i] != NULL && d->tail[i]->job == job)
			return true;
	return false;
}

static enum line
dest_turn(const struct dest *d)
{
	if (d->head[LINE_NEW] == NULL)
		return LINE_OLD;
	if (d->head[LINE_OLD] == NULL)
		return LINE_NEW;
	return d->turn % LINE_TURNS == LINE_TURNS - 1 ? LINE_OLD : LINE_NEW;
}

struct rcpt *
dest_next(const struct dest *d)
{
	return d->head[dest_turn(d)];
}

struct rcpt *
dest_pop(struct dest *d)
{
	enum line line = dest_turn(d);
	struct rcpt *r = d->head[line];

	d->head[line] = r->next;
	d->waiting--;
	d->turn++;
	return r;
}

void
dest_push_back(struct dest *d, enum line line, struct rcpt *r)
{
	r->next = d->head[line];
	if (d->head[line] == NULL)
		d->tail[line] = r;
	d->head[line] = r;
	d->waiting++;
	d->turn--;
}
