/* SPDX-License-Identifier: ISC */
/* Delivers one message, and says what came of it. */
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "deliver.h"
#include "delivery.h"
#include "envelope.h"

/* --- verdicts -------------------------------------------------------------- */

static void
decide(struct delivery *d, char tag, const char *text, int fault)
{
	d->tag = tag;
	d->text = text;
	d->fault = fault;
}

/* Trouble with the user's files is never the sender's fault: no X here. */
static void
unwritable(struct delivery *d, int fault)
{
	if (fault == EDQUOT)
		decide(d, 'Z', "452 4.2.2 Disk quota exceeded", fault);
	else if (fault == ENOSPC)
		decide(d, 'Z', "452 4.3.1 Disk is full", fault);
	else
		decide(d, 'Z', "451 4.2.0 Mailbox cannot be written", fault);
}

static void
unreadable(struct delivery *d, int fault)
{
	decide(d, 'Z', "451 4.3.0 Queue file cannot be read", fault);
}

static void
damaged(struct delivery *d)
{
	decide(d, 'Z', "451 4.3.0 Queue file is damaged", 0);
}

static void
copied(struct delivery *d, enum deliver_result r)
{
	switch (r) {
	case DELIVER_OK:
		decide(d, 'K', "250 2.0.0 Delivered", 0);
		break;
	case DELIVER_LOOP:
		decide(d, 'X', "554 5.4.6 Delivered-To loop", 0);
		break;
	case DELIVER_DAMAGED:
		damaged(d);
		break;
	case DELIVER_UNREADABLE:
		unreadable(d, errno);
		break;
	case DELIVER_UNWRITABLE:
		unwritable(d, errno);
		break;
	}
}

/* --- the two steps --------------------------------------------------------- */

/* What is in tmp gets no name in new. */
static void
drop(struct delivery *d)
{
	close(d->fd);
	d->fd = -1;
	maildir_discard(d->dir, d->name);
}

static bool
is_junk(const struct queuefile *q)
{
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(q, &pos, &f))
		if (envelope_marks_junk(&f))
			return true;
	return false;
}

static void
write_message(struct delivery *d, const struct mailbox *m,
    const struct parcel *p, const struct queuefile *q)
{
	bool junk = m->has_junk && is_junk(q);
	struct stat st;

	d->dir = junk ? &m->junk : &m->dir;
	if (junk && m->junk_fault != 0) {
		unwritable(d, m->junk_fault);
		return;
	}
	if (fstat(d->message, &st) < 0) {
		unreadable(d, errno);
		return;
	}
	d->queue = st.st_dev;
	d->size = (uint64_t)st.st_size;
	d->fd = maildir_create(d->dir, d->name);
	if (d->fd < 0) {
		unwritable(d, errno);
		return;
	}
	copied(d,
	    deliver_copy(q, sbuf_span(&p->sender), sbuf_span(&p->address),
		d->fd));
	if (d->tag != 'K')
		drop(d);
}

static void
write_new(struct delivery *d, const struct mailbox *m, const struct parcel *p)
{
	struct queuefile q;

	switch (queuefile_open(&q, d->message, p->id)) {
	case QUEUEFILE_OK:
		write_message(d, m, p, &q);
		queuefile_close(&q);
		break;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		damaged(d);
		break;
	case QUEUEFILE_IOERR:
		unreadable(d, errno);
		break;
	}
}

/* In both folders: the settings may have changed since. */
static enum maildir_copy
find_copy(const struct mailbox *m, const char *name)
{
	enum maildir_copy found = maildir_find(&m->dir, name);

	if (found == MAILDIR_NO_COPY && m->has_junk && m->junk_fault == 0)
		found = maildir_find(&m->junk, name);
	return found;
}

void
delivery_write(struct delivery *d, const struct mailbox *m, struct parcel *p)
{
	d->message = p->fd;
	p->fd = -1;
	d->fd = -1;
	d->size = 0;
	d->index = p->index;
	memcpy(d->id, p->id, sizeof(d->id));
	if (m->fault != 0) {
		unwritable(d, m->fault);
		return;
	}
	maildir_name(d->name, p->id, p->index, m->conf->hostname);
	if (!p->tried) {
		write_new(d, m, p);
		return;
	}
	switch (find_copy(m, d->name)) {
	case MAILDIR_NO_COPY:
		write_new(d, m, p);
		break;
	case MAILDIR_COPY:
		decide(d, 'K', "250 2.0.0 Delivered by an earlier attempt", 0);
		break;
	case MAILDIR_UNSURE:
		unwritable(d, errno);
		break;
	}
}

static void
publish(struct delivery *d)
{
	if (!maildir_publish(d->dir, d->name, d->fd, d->queue)) {
		unwritable(d, errno);
		drop(d);
		return;
	}
	close(d->fd);
	d->fd = -1;
}

void
delivery_settle(struct delivery *d, size_t n)
{
	for (size_t i = 0; n > 1 && i < n; i++)
		if (d[i].fd >= 0)
			maildir_hurry(d[i].fd);
	for (size_t i = 0; i < n; i++) {
		if (d[i].fd >= 0)
			publish(&d[i]);
		close(d[i].message);
	}
}
