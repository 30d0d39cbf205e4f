/* SPDX-License-Identifier: ISC */
/* The books: what was accepted, and to which end each recipient came. */
#include "ledger.h"

#include <stdlib.h>

#include "ledger-parts.h"
#include "log.h"

void *
ledger_need(void *p)
{
	if (p == NULL)
		die_sys(EXIT_TEMP, "no memory");
	return p;
}

void
ledger_init(struct ledger *l)
{
	*l = (struct ledger){ .nbuckets = 1024 };
	extent_init(&l->extent);
	l->buckets = ledger_need(calloc(l->nbuckets, sizeof(struct mail *)));
}

static struct mail **
bucket(const struct ledger *l, const struct mailid *id)
{
	return &l->buckets[mailid_hash(id) & (l->nbuckets - 1)];
}

static struct mail **
place(const struct ledger *l, const struct mailid *id)
{
	struct mail **p = bucket(l, id);

	while (*p != NULL && !mailid_eq(&(*p)->id, id))
		p = &(*p)->next;
	return p;
}

struct mail *
ledger_find(const struct ledger *l, const struct mailid *id)
{
	return *place(l, id);
}

static void
grow(struct ledger *l)
{
	struct ledger old = *l;

	l->nbuckets *= 2;
	l->buckets = ledger_need(calloc(l->nbuckets, sizeof(struct mail *)));
	for (size_t i = 0; i < old.nbuckets; i++)
		for (struct mail *m = old.buckets[i], *next; m != NULL;
		     m = next) {
			struct mail **p = bucket(l, &m->id);

			next = m->next;
			m->next = *p;
			*p = m;
		}
	free(old.buckets);
}

struct mail *
ledger_open(struct ledger *l, const struct mailid *id)
{
	struct mail **p = place(l, id), *m = *p;

	if (m != NULL || mailset_find(&l->finished, id) != NULL)
		return m;
	if (l->nmails >= l->nbuckets) {
		grow(l);
		p = place(l, id);
	}
	m = ledger_need(calloc(1, sizeof(*m)));
	m->id = *id;
	*p = m;
	l->nmails++;
	return m;
}

static void
forget(struct ledger *l, struct mail *m)
{
	*place(l, &m->id) = m->next;
	l->nmails--;
	free(m->to);
	free(m->ends);
	free(m->expansions);
	free(m);
}

/* What has come to its end in every respect takes no more room than its id. */
void
ledger_settle(struct ledger *l, struct mail *m)
{
	unsigned ends = 0;

	if (m->is_notice && !m->named)
		return;
	if (!mail_is_complete(m))
		return;
	for (uint32_t n = 0; n < m->nends; n++)
		ends |= mail_end(m, n);
	if ((ends & END_DROPPED) != 0 && !(m->dropped && m->null_sender))
		return;
	ledger_tally(l, m);
	mailset_add(&l->finished, &m->id,
	    ends | mail_numbers(m) << LEDGER_END_BITS);
	forget(l, m);
}
