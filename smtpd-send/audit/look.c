/* SPDX-License-Identifier: ISC */
/* One message in the queue: is it whole, and what does its own log say? */
#include "look.h"

#include <errno.h>
#include <unistd.h>

#include "progress.h"
#include "log.h"
#include "queuedir.h"

/* The line is written before the record, and both before we look. */
static void
check_end(const struct look *k, const struct progress_record *r)
{
	const struct mail *m = k->mail;
	struct ledger *l = k->balance->ledger;

	if (m == NULL || !m->accepted || mail_end(m, r->number) != 0 ||
	    r->time >= k->balance->now / 1000000 ||
	    extent_is_partial(&l->extent, &m->id))
		return;
	finding_add(&l->findings, FINDING_UNLOGGED, &m->id,
	    mail_address(m, r->number),
	    "recipient %u has come to an end, says the queue, and no line does",
	    r->number + 1);
}

static void
take_record(void *arg, const struct progress_record *r)
{
	struct look *k = arg;

	if (r->kind == PROGRESS_DONE || r->kind == PROGRESS_BOUNCED)
		check_end(k, r);
	else if (r->kind == PROGRESS_HELD)
		k->held = true;
	else if (r->kind == PROGRESS_TRIED)
		k->held = false;
	else if (r->kind == PROGRESS_ORDER &&
	    span_starts(r->text, SPAN("hold ")))
		k->kept = true;
	else if (r->kind == PROGRESS_ORDER &&
	    span_starts(r->text, SPAN("release ")))
		k->kept = false;
}

static void
read_progress(struct look *k, const struct queuefile *q)
{
	int fd = queuedir_log(k->balance->dir, q->id);
	uint64_t length;

	if (fd == -1)
		return;
	if (progress_read(fd, q->id, q->nonce, &length, take_record, k) ==
	    PROGRESS_IOERR)
		die_sys(EXIT_TEMP, "cannot read the log of '%s'", q->id);
	(void)close(fd);
}

enum place
look_at(struct look *k, const struct mailid *id)
{
	enum place place = PLACE_QUEUED;
	char text[QUEUE_ID_SIZE];
	struct queuefile q;
	int fd;

	mailid_text(id, text);
	fd = queuedir_message(k->balance->dir, text);
	if (fd == -1 && errno == ENOENT)
		return PLACE_GONE;
	if (fd == -1 && errno == EACCES)
		return PLACE_TORN; /* of mode 0200 */
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", text);
	switch (queuefile_open(&q, fd, text)) {
	case QUEUEFILE_OK:
		read_progress(k, &q);
		queuefile_close(&q);
		break;
	case QUEUEFILE_TORN:
		place = PLACE_TORN;
		break;
	case QUEUEFILE_CORRUPT:
		place = PLACE_CORRUPT;
		break;
	case QUEUEFILE_IOERR:
		die_sys(EXIT_TEMP, "cannot read '%s'", text);
	}
	(void)close(fd);
	return place;
}
