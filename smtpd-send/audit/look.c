/* SPDX-License-Identifier: ISC */
/* One message in the queue: is it whole, and what does its own log say? */
#include "look.h"

#include "log.h"
#include "queued.h"

/* The line is written before the record, and both before we look. */
static void
check_end(const struct look *k, const struct queued_rcpt *r)
{
	const struct mail *m = k->mail;
	struct ledger *l = k->balance->ledger;

	if (queued_is_open(r) || r->expanded || mail_end(m, r->index) != 0 ||
	    r->time >= k->balance->now / 1000000)
		return;
	finding_add(&l->findings, FINDING_UNLOGGED, &m->id,
	    mail_address(m, r->index),
	    "recipient %u has come to an end, says the queue, and no line does",
	    r->index + 1);
}

static void
check_ends(const struct look *k, const struct queued *q)
{
	if (k->mail == NULL || !k->mail->accepted ||
	    extent_is_partial(&k->balance->ledger->extent, &k->mail->id))
		return;
	for (size_t i = 0; i < q->n; i++)
		check_end(k, &q->rcpts[i]);
}

enum place
look_at(struct look *k, const struct mailid *id)
{
	char text[QUEUE_ID_SIZE];
	struct queued q;

	mailid_text(id, text);
	switch (queued_read(&q, k->balance->dir, text)) {
	case QUEUED_OK:
		break;
	case QUEUED_GONE:
		return PLACE_GONE;
	case QUEUED_RECEIVING:
	case QUEUED_TORN:
		return PLACE_TORN;
	case QUEUED_CORRUPT:
		return PLACE_CORRUPT;
	case QUEUED_IOERR:
		die_sys(EXIT_TEMP, "cannot read '%s' in the queue", text);
	}
	check_ends(k, &q);
	k->held = q.held != 0 || q.kept != 0;
	queued_free(&q);
	return PLACE_QUEUED;
}
