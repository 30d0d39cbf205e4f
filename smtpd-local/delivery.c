/* SPDX-License-Identifier: ISC */
/* Delivers one message: takes its frames in, copies it, gives its verdict. */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "delivery.h"
#include "envelope.h"
#include "header.h"

#define COPY_PIECE 65536

/* --- the frames that announce a message ---------------------------------- */

void
parcel_init(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->fd = -1;
	sbuf_init(&p->sender, ADDRESS_PATH_MAX);
	sbuf_init(&p->address, ADDRESS_PATH_MAX);
}

void
parcel_forget(struct parcel *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->has_sender = p->has_recipient = false;
	sbuf_reset(&p->sender);
	sbuf_reset(&p->address);
}

/* D: ID ATTEMPT, and the message's descriptor. */
static bool
parcel_take_message(struct parcel *p, struct chan *c, struct span s)
{
	struct span id = span_cut(&s, ' ');
	uint32_t attempt;

	parcel_forget(p);
	if (!queue_id_valid(id) || !span_u32(s, UINT32_MAX, &attempt))
		return false;
	memcpy(p->id, id.p, QUEUE_ID_LEN);
	p->tried = attempt > 0;
	p->fd = chan_take_fd(c);
	return p->fd >= 0;
}

static bool
parcel_take_sender(struct parcel *p, struct span s)
{
	struct envelope_path e;

	if (p->has_sender || !envelope_sender(s, &e))
		return false;
	sbuf_addspan(&p->sender, e.path);
	p->has_sender = true;
	return !p->sender.bad;
}

/* R: INDEX <address>. */
static bool
parcel_take_recipient(struct parcel *p, struct span s)
{
	struct span index = span_cut(&s, ' ');
	struct address a;

	if (p->has_recipient || !span_u32(index, UINT32_MAX, &p->index) ||
	    address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK || s.n > 0)
		return false;
	sbuf_addspan(&p->address, a.whole);
	p->has_recipient = true;
	return !p->address.bad;
}

bool
parcel_take(struct parcel *p, struct chan *c, const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return parcel_take_message(p, c, f->payload);
	case 'S':
		return p->fd >= 0 && parcel_take_sender(p, f->payload);
	case 'R':
		return p->fd >= 0 && parcel_take_recipient(p, f->payload);
	default:
		return false;
	}
}

bool
parcel_is_whole(const struct parcel *p)
{
	return p->fd >= 0 && p->has_sender && p->has_recipient;
}

/* --- from the queue file to the text that a mail reader sees ------------- */

enum copy_result {
	COPY_OK,
	COPY_LOOP,       /* its header already has this Delivered-To */
	COPY_DAMAGED,    /* the octets are not the ones that were accepted */
	COPY_UNREADABLE, /* of the queue file; errno says why */
	COPY_UNWRITABLE, /* of out; errno says why */
};

struct copy {
	int out;
	bool cr; /* a CR that may be half of a CRLF */
	uint32_t crc;
	struct header header;
	struct span address;
	size_t len;
	char buf[COPY_PIECE]; /* not yet written */
	char in[COPY_PIECE];
};

static bool
copy_flush(struct copy *c)
{
	size_t done = 0;

	while (done < c->len) {
		ssize_t n = write(c->out, c->buf + done, c->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		done += (size_t)n;
	}
	c->len = 0;
	return true;
}

static bool
copy_put(struct copy *c, struct span s)
{
	while (s.n > 0) {
		size_t n = sizeof(c->buf) - c->len;

		if (n > s.n)
			n = s.n;
		memcpy(c->buf + c->len, s.p, n);
		c->len += n;
		s = span_skip(s, n);
		if (c->len == sizeof(c->buf) && !copy_flush(c))
			return false;
	}
	return true;
}

/* CRLF becomes LF, even across two pieces; a lone CR stays. */
static bool
copy_lines(struct copy *c, struct span s)
{
	while (s.n > 0) {
		size_t n = span_find(s, '\r');

		if (c->cr && s.p[0] != '\n' && !copy_put(c, SPAN("\r")))
			return false;
		if (!copy_put(c, span_of(s.p, n)))
			return false;
		c->cr = n < s.n;
		s = span_skip(s, n + c->cr);
	}
	return true;
}

static bool
copy_pending_cr(struct copy *c)
{
	bool cr = c->cr;

	c->cr = false;
	return !cr || copy_put(c, SPAN("\r"));
}

/* A later H frame goes above an earlier one. */
static bool
copy_top(struct copy *c, const struct queuefile *q)
{
	struct span *tops = NULL;
	size_t n = 0, cap = 0, pos = 0;
	struct frame f;
	bool ok = true;

	while (ok && queuefile_next(q, &pos, &f)) {
		if (f.tag != 'H')
			continue;
		if (n == cap) {
			struct span *more;

			cap = cap == 0 ? 8 : cap * 2;
			more = realloc(tops, cap * sizeof(*tops));
			ok = more != NULL;
			tops = ok ? more : tops;
		}
		if (ok)
			tops[n++] = f.payload;
	}
	while (ok && n > 0)
		ok = copy_lines(c, tops[--n]) && copy_pending_cr(c);
	free(tops);
	return ok;
}

static bool
copy_is_loop(struct copy *c)
{
	struct span value;

	if (!span_ieq(header_name(&c->header), SPAN("Delivered-To")))
		return false;
	value = header_value(&c->header);
	if (span_starts(value, SPAN("<")) && value.p[value.n - 1] == '>')
		value = span_of(value.p + 1, value.n - 2);
	return span_ieq(value, c->address);
}

/* Looks for our own Delivered-To in the header section. */
static bool
copy_finds_loop(struct copy *c, struct span s)
{
	size_t used;

	for (;;) {
		switch (header_push(&c->header, s, &used)) {
		case HEADER_MORE:
		case HEADER_END:
			return false;
		case HEADER_FIELD:
			if (copy_is_loop(c))
				return true;
			s = span_skip(s, used);
		}
	}
}

static enum copy_result
copy_body(struct copy *c, const struct queuefile *q)
{
	uint64_t at = 0;

	while (at < q->body_len) {
		uint64_t left = q->body_len - at;
		ssize_t n = pread(q->fd, c->in,
		    left < sizeof(c->in) ? (size_t)left : sizeof(c->in),
		    (off_t)at);
		struct span s;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return COPY_UNREADABLE;
		if (n == 0)
			return COPY_DAMAGED; /* the file has become shorter */
		s = span_of(c->in, (size_t)n);
		c->crc = crc32c(c->crc, s.p, s.n);
		if (copy_finds_loop(c, s))
			return COPY_LOOP;
		if (!copy_lines(c, s))
			return COPY_UNWRITABLE;
		at += (uint64_t)n;
	}
	if (header_finish(&c->header) == HEADER_FIELD && copy_is_loop(c))
		return COPY_LOOP;
	if (!copy_pending_cr(c) || !copy_flush(c))
		return COPY_UNWRITABLE;
	return c->crc == q->body_crc ? COPY_OK : COPY_DAMAGED;
}

/*
 * Writes the message to out in constant memory: Return-Path (sender, with its
 * angle brackets), Delivered-To (address), the H frames last first, the
 * message; all lines end in LF. Only after COPY_OK is it whole and known to be
 * undamaged.
 */
static enum copy_result
copy_to(const struct queuefile *q, struct span sender, struct span address,
    int out)
{
	static struct copy c; /* large, but only used pages are touched */
	enum copy_result result = COPY_UNWRITABLE;

	c.out = out;
	c.len = c.crc = 0;
	c.cr = false;
	c.address = address;
	header_init(&c.header);
	if (copy_put(&c, SPAN("Return-Path: ")) && copy_put(&c, sender) &&
	    copy_put(&c, SPAN("\nDelivered-To: ")) && copy_put(&c, address) &&
	    copy_put(&c, SPAN("\n")) && copy_top(&c, q))
		result = copy_body(&c, q);
	header_free(&c.header);
	return result;
}

/* --- verdicts ------------------------------------------------------------ */

static void
delivery_decide(struct delivery *d, char tag, const char *text, int fault)
{
	d->tag = tag;
	d->text = text;
	d->fault = fault;
}

/* Trouble with the user's files is not the sender's fault: never X here. */
static void
delivery_unwritable(struct delivery *d, int fault)
{
	if (fault == EDQUOT)
		delivery_decide(d, 'Z', "452 4.2.2 Disk quota exceeded", fault);
	else if (fault == ENOSPC)
		delivery_decide(d, 'Z', "452 4.3.1 Disk is full", fault);
	else
		delivery_decide(d, 'Z', "451 4.2.0 Mailbox cannot be written",
		    fault);
}

static void
delivery_unreadable(struct delivery *d, int fault)
{
	delivery_decide(d, 'Z', "451 4.3.0 Queue file cannot be read", fault);
}

static void
delivery_damaged(struct delivery *d)
{
	delivery_decide(d, 'Z', "451 4.3.0 Queue file is damaged", 0);
}

static void
delivery_copied(struct delivery *d, enum copy_result r)
{
	switch (r) {
	case COPY_OK:
		delivery_decide(d, 'K', "250 2.0.0 Delivered", 0);
		break;
	case COPY_LOOP:
		delivery_decide(d, 'X', "554 5.4.6 Delivered-To loop", 0);
		break;
	case COPY_DAMAGED:
		delivery_damaged(d);
		break;
	case COPY_UNREADABLE:
		delivery_unreadable(d, errno);
		break;
	case COPY_UNWRITABLE:
		delivery_unwritable(d, errno);
		break;
	}
}

/* --- written to tmp, then made durable ----------------------------------- */

/* Removes the file in tmp; it never gets a name in new. */
static void
delivery_drop(struct delivery *d)
{
	close(d->fd);
	d->fd = -1;
	maildir_discard(d->dir, d->name);
}

static bool
delivery_is_junk(const struct queuefile *q)
{
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(q, &pos, &f))
		if (envelope_marks_junk(&f))
			return true;
	return false;
}

static void
delivery_write_copy(struct delivery *d, const struct mailbox *m,
    const struct parcel *p, const struct queuefile *q)
{
	bool junk = m->has_junk && delivery_is_junk(q);
	struct stat st;

	d->dir = junk ? &m->junk : &m->dir;
	if (junk && m->junk_fault != 0) {
		delivery_unwritable(d, m->junk_fault);
		return;
	}
	if (fstat(d->message, &st) < 0) {
		delivery_unreadable(d, errno);
		return;
	}
	d->queue = st.st_dev;
	d->size = (uint64_t)st.st_size;
	d->fd = maildir_create(d->dir, d->name);
	if (d->fd < 0) {
		delivery_unwritable(d, errno);
		return;
	}
	delivery_copied(d,
	    copy_to(q, sbuf_span(&p->sender), sbuf_span(&p->address), d->fd));
	if (d->tag != 'K')
		delivery_drop(d);
}

static void
delivery_write_new(struct delivery *d, const struct mailbox *m,
    const struct parcel *p)
{
	struct queuefile q;

	switch (queuefile_open(&q, d->message, p->id)) {
	case QUEUEFILE_OK:
		delivery_write_copy(d, m, p, &q);
		queuefile_close(&q);
		break;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		delivery_damaged(d);
		break;
	case QUEUEFILE_IOERR:
		delivery_unreadable(d, errno);
		break;
	}
}

/* Looks in both folders: the settings may have changed since. */
static enum maildir_copy
delivery_find_copy(const struct mailbox *m, const char *name)
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
		delivery_unwritable(d, m->fault);
		return;
	}
	maildir_name(d->name, p->id, p->index, m->conf->hostname);
	if (!p->tried) {
		delivery_write_new(d, m, p);
		return;
	}
	switch (delivery_find_copy(m, d->name)) {
	case MAILDIR_NO_COPY:
		delivery_write_new(d, m, p);
		break;
	case MAILDIR_COPY:
		delivery_decide(d, 'K',
		    "250 2.0.0 Delivered by an earlier attempt", 0);
		break;
	case MAILDIR_UNSURE:
		delivery_unwritable(d, errno);
		break;
	}
}

static void
delivery_publish(struct delivery *d)
{
	if (!maildir_publish(d->dir, d->name, d->fd, d->queue)) {
		delivery_unwritable(d, errno);
		delivery_drop(d);
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
			delivery_publish(&d[i]);
		close(d[i].message);
	}
}
