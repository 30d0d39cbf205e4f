/* SPDX-License-Identifier: ISC */
/* The recipients of one message, and to which end each has come. */
#include "ledger.h"

/* The alias whose number n is, or whose others include it. */
static const struct expansion *
find_expansion(const struct mail *m, uint32_t n)
{
	for (uint32_t i = 0; i < m->nexpansions; i++) {
		const struct expansion *e = &m->expansions[i];

		if (n == e->origin ||
		    (n >= e->others && n - e->others < e->count - 1))
			return e;
	}
	return NULL;
}

bool
mail_has(const struct mail *m, uint32_t n)
{
	return n < m->nrcpt || find_expansion(m, n) != NULL;
}

unsigned
mail_end(const struct mail *m, uint32_t n)
{
	return n < m->nends ? m->ends[n] : 0;
}

uint32_t
mail_numbers(const struct mail *m)
{
	uint32_t end = m->nrcpt > m->nends ? m->nrcpt : m->nends;

	for (uint32_t i = 0; i < m->nexpansions; i++) {
		const struct expansion *e = &m->expansions[i];

		if (e->count > 1 && e->others + e->count - 1 > end)
			end = e->others + e->count - 1;
	}
	return end;
}

struct span
mail_address(const struct mail *m, uint32_t n)
{
	const struct expansion *e = find_expansion(m, n);
	struct span rest = span_str(m->to != NULL ? m->to : "");

	if (e != NULL)
		n = e->origin;
	while (n-- > 0)
		(void)span_cut(&rest, '\n');
	return span_cut(&rest, '\n');
}

bool
mail_is_complete(const struct mail *m)
{
	if (!m->accepted || m->ended != m->expected)
		return false;
	for (uint32_t n = 0, end = mail_numbers(m); n < end; n++)
		if (mail_end(m, n) == 0 && mail_has(m, n))
			return false;
	return true;
}

static void
tally_end(struct totals *t, unsigned end)
{
	if ((end & END_DELIVERED) != 0)
		t->delivered++;
	else if ((end & END_DROPPED) != 0)
		t->dropped++;
	else if ((end & END_BOUNCED) != 0)
		t->bounced++;
	else if ((end & END_EXPIRED) != 0)
		t->expired++;
	else if ((end & END_REMOVED) != 0)
		t->discarded++;
}

void
ledger_tally(struct ledger *l, const struct mail *m)
{
	l->totals.messages++;
	l->totals.recipients += m->expected;
	for (uint32_t n = 0, end = mail_numbers(m); n < end; n++)
		if (mail_has(m, n))
			tally_end(&l->totals, mail_end(m, n));
}
