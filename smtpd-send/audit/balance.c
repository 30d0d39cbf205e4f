/* SPDX-License-Identifier: ISC */
/* The balance: what has no end in the log must wait in the queue. */
#include "balance.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "look.h"
#include "queued.h"

void
balance_begin(struct balance *b, struct ledger *l, int dir)
{
	*b = (struct balance){ .dir = dir, .ledger = l };
	b->now = clock_wall_us();
	if (!queued_list(dir, &b->before))
		die_sys(EXIT_TEMP, "cannot list the queue");
}

static int
compare_entry(const void *id, const void *entry)
{
	return memcmp(id, entry, QUEUE_ID_LEN);
}

/* It was there, or it is so young that it came after that look. */
static bool
was_there(const struct balance *b, const struct mailid *id)
{
	char text[QUEUE_ID_SIZE];

	mailid_text(id, text);
	return id->time >= b->now ||
	    (b->before.len > 0 &&
		bsearch(text, b->before.s, b->before.len / QUEUE_ID_SIZE,
		    QUEUE_ID_SIZE, compare_entry) != NULL);
}

/* --- one message that is open --------------------------------------------- */

static void
judge_unaccepted(struct ledger *l, const struct mail *m)
{
	const struct extent *e = &l->extent;
	char notice[QUEUE_ID_SIZE];

	if (m->named && !extent_is_before_notices(e, &m->id)) {
		mailid_text(&m->id, notice);
		finding_add(&l->findings, FINDING_UNTOLD, &m->about, SPAN(""),
		    "its sender was told by %s, which nobody accepted", notice);
	}
	if (extent_is_before(e, &m->id))
		l->totals.older++;
	else if (m->ended > 0 || m->removed)
		finding_add(&l->findings, FINDING_UNACCEPTED, &m->id, SPAN(""),
		    "came to an end, and no line says that it was accepted");
}

static void
add_lost(struct ledger *l, const struct mail *m, uint32_t n, enum place place)
{
	const char *why = "and is not in the queue";

	if (m->removed)
		why = "and was removed from the queue";
	else if (place == PLACE_TORN)
		why = "and its queue file is not whole";
	finding_add(&l->findings, FINDING_LOST, &m->id, mail_address(m, n),
	    "recipient %u of %u has no end %s", n + 1, m->expected, why);
}

static void
judge_missing(struct balance *b, const struct mail *m, enum place place)
{
	struct ledger *l = b->ledger;
	bool meanwhile = place == PLACE_GONE && was_there(b, &m->id);

	for (uint32_t n = 0, end = mail_numbers(m); n < end; n++) {
		if (!mail_has(m, n) || mail_end(m, n) != 0)
			continue;
		if (place == PLACE_QUEUED)
			l->totals.waiting++;
		else if (place == PLACE_CORRUPT)
			finding_add(&l->findings, FINDING_DAMAGED, &m->id,
			    mail_address(m, n),
			    "recipient %u of %u waits, the queue file is damaged",
			    n + 1, m->expected);
		else if (meanwhile)
			l->totals.meanwhile++;
		else
			add_lost(l, m, n, place);
	}
}

/* Ends of recipients that it has not: the line of an alias is missing. */
static void
judge_surplus(struct ledger *l, const struct mail *m)
{
	if (extent_is_partial(&l->extent, &m->id))
		return;
	for (uint32_t n = 0; n < m->nends; n++)
		if (m->ends[n] != 0 && !mail_has(m, n))
			finding_add(&l->findings, FINDING_UNACCEPTED, &m->id,
			    SPAN(""), "recipient %u is none of its own", n + 1);
}

/* All recipients have an end; what keeps it open? */
static void
judge_complete(struct balance *b, const struct mail *m)
{
	struct ledger *l = b->ledger;
	bool dropped = false;

	for (uint32_t n = 0; n < m->nends; n++)
		dropped = dropped || (m->ends[n] & END_DROPPED) != 0;
	if (dropped && !m->null_sender)
		finding_add(&l->findings, FINDING_UNTOLD, &m->id, SPAN(""),
		    "its sender was not told of a failure");
	else if (dropped && !m->dropped)
		finding_add(&l->findings, FINDING_UNTOLD, &m->id, SPAN(""),
		    "it was dropped, and smtpd-bounce does not say so");
}

/* Its end may have been in a log that is there no more. */
static bool
is_beyond(const struct ledger *l, const struct mail *m, enum place place)
{
	return place == PLACE_GONE && extent_is_partial(&l->extent, &m->id);
}

static void
judge_open(struct balance *b, const struct mail *m)
{
	struct look k = { .balance = b, .mail = m };
	enum place place = look_at(&k, &m->id);

	b->ledger->totals.held += k.held;
	if (is_beyond(b->ledger, m, place))
		b->ledger->totals.older++;
	else
		judge_missing(b, m, place);
}

static void
judge(struct balance *b, const struct mail *m)
{
	struct ledger *l = b->ledger;

	if (!m->accepted) {
		judge_unaccepted(l, m);
		return;
	}
	ledger_tally(l, m);
	if (mail_is_complete(m))
		judge_complete(b, m);
	else
		judge_open(b, m);
	judge_surplus(l, m);
	if (m->is_notice && !m->named && m->id.time < b->now &&
	    !extent_is_partial(&l->extent, &m->id))
		finding_add(&l->findings, FINDING_TOLD_TWICE, &m->about,
		    SPAN(""), "a notice was sent that is no recipient's end");
}

/* --- what only the queue knows -------------------------------------------- */

static void
judge_unknown(struct balance *b, const struct mailid *id)
{
	struct ledger *l = b->ledger;
	struct look k = { .balance = b };
	enum place place = look_at(&k, id);

	if (place == PLACE_GONE || place == PLACE_TORN)
		return; /* being received, or never acknowledged */
	if (extent_is_before(&l->extent, id))
		l->totals.older++;
	else
		finding_add(&l->findings, FINDING_UNACCEPTED, id, SPAN(""),
		    "is in the queue, and no line says that it was accepted");
}

void
balance_end(struct balance *b)
{
	struct ledger *l = b->ledger;
	struct mailid id;

	for (size_t i = 0; i < l->nbuckets; i++)
		for (const struct mail *m = l->buckets[i]; m != NULL;
		     m = m->next)
			judge(b, m);
	for (size_t at = 0; at < b->before.len; at += QUEUE_ID_SIZE) {
		if (!mailid_parse(span_of(b->before.s + at, QUEUE_ID_LEN), &id))
			continue;
		if (ledger_find(l, &id) == NULL &&
		    mailset_find(&l->finished, &id) == NULL)
			judge_unknown(b, &id);
	}
}
