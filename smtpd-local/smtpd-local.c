/* SPDX-License-Identifier: ISC */
/* smtpd-local: delivers messages into the Maildir of the user it runs as. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "confine.h"
#include "conversation.h"
#include "frame.h"
#include "header.h"
#include "maildir.h"
#include "program.h"
#include "queuefile.h"

#define COPY_PIECE 65536
#define VERDICT_MAX 8192

/* Synced together: at most so many messages, until so many octets. */
#define WAITING_MAX 8
#define WAITING_OCTETS (1024 * 1024)

/*
 * A message as the scheduler announces it:
 *	D id attempt, with the descriptor	a new message
 *	S <reverse-path>
 *	R index <address>			once
 */
struct parcel {
	int fd; /* -1: no D yet */
	char id[QUEUE_ID_SIZE];
	bool tried; /* an earlier attempt may have delivered it */
	bool has_sender, has_recipient;
	uint32_t index;
	struct sbuf sender;  /* with its angle brackets */
	struct sbuf address; /* without */
};

struct mailbox {
	const struct conf *conf;
	struct maildir dir;
	bool has_junk; /* messages marked as junk go to a folder of their own */
	struct maildir junk;
	int junk_fault; /* as fault, but for that folder only */
	int fault; /* errno of maildir_enter: no delivery is possible now */
};

struct delivery {
	char tag;         /* K Z X: the verdict, */
	const char *text; /* its reply line */
	int fault;        /* and errno, for the log and the reply; 0: none */
	int fd;           /* in tmp; -1: there is nothing to publish */
	int message;      /* keeps the message's lock until all is done */
	dev_t queue;      /* the file system of the queue file */
	uint64_t size;
	uint32_t index;
	char id[QUEUE_ID_SIZE];
	const struct maildir *dir; /* the one of the mailbox it is written to */
	char name[MAILDIR_NAME_MAX + 1];
};

/* --- the frames that announce a message ---------------------------------- */

static void
parcel_init(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->fd = -1;
	sbuf_init(&p->sender, ADDRESS_PATH_MAX);
	sbuf_init(&p->address, ADDRESS_PATH_MAX);
}

/* Closes the descriptor; the next D may follow. */
static void
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
	uint32_t attempt;

	parcel_forget(p);
	p->fd = queuefile_take(c, &s, p->id);
	if (p->fd == -1 || !span_u32(s, UINT32_MAX, &attempt))
		return false;
	p->tried = attempt > 0;
	return true;
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

/* Takes one of the three frames; false when it is malformed or out of turn. */
static bool
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

static bool
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

static bool
copy_top(struct copy *c, const struct queuefile *q)
{
	size_t pos = SIZE_MAX;
	struct frame f;

	while (queuefile_previous(q, 'H', &pos, &f))
		if (!copy_lines(c, f.payload) || !copy_pending_cr(c))
			return false;
	return true;
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

/*
 * Writes the parcel to tmp, unless the verdict is known without that. Takes
 * over its descriptor: while the message is locked no other process delivers
 * it, and the file in tmp is ours.
 */
static void
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

/*
 * Makes n deliveries durable and visible; now each verdict is final. The kernel
 * sees all of them before it must finish the first, so one commit of its
 * journal may serve many.
 */
static void
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

/* --- the conversation ---------------------------------------------------- */

struct local {
	struct chan chan;
	struct chan_room room;
	struct parcel parcel;
	struct delivery waiting[WAITING_MAX];
	size_t nwaiting;
	uint64_t octets;
};

static bool
local_send_verdict(struct chan *c, const struct mailbox *m,
    const struct delivery *d)
{
	instant deadline = clock_in(m->conf->helper_timeout * 1000);
	struct sbuf text;
	bool ok;

	sbuf_init(&text, VERDICT_MAX);
	sbuf_addf(&text, "%u maildir - %s", (unsigned)d->index, d->text);
	if (d->fault != 0) {
		sbuf_addf(&text, ": %s", strerror(d->fault));
		errno = d->fault;
		warn_sys("message %s", d->id);
	}
	ok = !text.bad &&
	    chan_send(c, d->tag, sbuf_span(&text), deadline) == IO_OK &&
	    chan_flush(c, deadline) == IO_OK;
	sbuf_free(&text);
	return ok;
}

/* False: the scheduler is gone. What was written is delivered anyway. */
static bool
local_settle(struct local *t, const struct mailbox *m)
{
	bool ok = true;

	delivery_settle(t->waiting, t->nwaiting);
	for (size_t i = 0; i < t->nwaiting && ok; i++)
		ok = local_send_verdict(&t->chan, m, &t->waiting[i]);
	t->nwaiting = 0;
	t->octets = 0;
	return ok;
}

static bool
local_take_end(struct local *t, const struct mailbox *m)
{
	struct delivery *d = &t->waiting[t->nwaiting];

	if (!parcel_is_whole(&t->parcel))
		return false;
	delivery_write(d, m, &t->parcel);
	parcel_forget(&t->parcel);
	t->nwaiting++;
	t->octets += d->size;
	return (t->nwaiting < WAITING_MAX && t->octets < WAITING_OCTETS) ||
	    local_settle(t, m);
}

static bool
local_take(struct local *t, const struct mailbox *m, const struct frame *f)
{
	if (f->tag == 'E')
		return local_take_end(t, m);
	return f->tag >= 'a' || parcel_take(&t->parcel, &t->chan, f);
}

/*
 * Message after message; those that have already arrived are synced together.
 * After local_timeout it ends between two messages, since smtpd-lspawn kills it
 * not much later.
 */
static enum exitcode
local_converse(struct local *t, const struct mailbox *m)
{
	instant last = clock_in(m->conf->local_timeout * 1000);
	struct frame f;
	enum io r;

	chan_init(&t->chan, &t->room, 0, 1);
	parcel_init(&t->parcel);
	do {
		r = chan_recv(&t->chan, &f, t->nwaiting > 0 ? 0 : NEVER);
		if (r != IO_OK && !local_settle(t, m))
			return EXIT_TEMP;
		if (r == IO_TIMEOUT)
			continue;
		if (r != IO_OK || f.tag == 'Q')
			break;
		if (!local_take(t, m, &f)) {
			(void)local_settle(t, m);
			warn("unexpected frame %c, or cannot answer", f.tag);
			return EXIT_TEMP;
		}
	} while (t->nwaiting > 0 || t->parcel.fd >= 0 || clock_now() < last);
	if (r == IO_ERROR || t->parcel.fd >= 0) {
		warn("the scheduler left in the middle of a message");
		return EXIT_TEMP;
	}
	return local_settle(t, m) ? EXIT_OK : EXIT_TEMP;
}

/* --- the start ----------------------------------------------------------- */

/*
 * tmp and new are written to, cur is listed, nothing else is opened. The three
 * may be links to other places of the same user: the right is to those places.
 */
static void
local_confine(const struct mailbox *m)
{
	static char folder[3][CONF_FOLDER_MAX + sizeof("/tmp")];
	bool junk = m->has_junk && m->junk_fault == 0;
	struct confine keep = {
		.calls = { SYS_openat, SYS_fstat, SYS_newfstatat, SYS_fsync,
		    SYS_sync_file_range, SYS_renameat, SYS_unlinkat,
		    SYS_getdents64, SYS_fcntl, SYS_open, SYS_stat, SYS_lstat,
		    SYS_rename, SYS_unlink },
		.paths = {
		    { "tmp", CONFINE_WRITE },
		    { "new", CONFINE_WRITE },
		    { "cur", CONFINE_READ },
		    { folder[0], CONFINE_WRITE },
		    { folder[1], CONFINE_WRITE },
		    { folder[2], CONFINE_READ },
		},
	};
	size_t npaths = m->fault != 0 ? 0 : junk ? 6 : 3;

	for (size_t i = 0; junk && i < nitems(folder); i++)
		snprintf(folder[i], sizeof(folder[i]), "%s%s", m->junk.at,
		    keep.paths[i].path);
	keep.paths[npaths].path = NULL;
	confine(&keep, m->conf);
}

/*
 * A judge may mark any message, and later no folder can be made, so it is made
 * now. Without a judge the folder counts only if its owner has made it.
 */
static void
local_enter_junk(struct mailbox *m)
{
	bool make = m->conf->checks;

	m->has_junk = m->fault == 0 && m->conf->junk_folder[0] != '\0';
	if (!m->has_junk ||
	    maildir_enter_folder(&m->junk, m->conf->junk_folder, make))
		return;
	m->junk_fault = errno;
	m->has_junk = make || errno != ENOENT;
	if (m->has_junk)
		warn_sys("cannot enter folder '%s'", m->conf->junk_folder);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct local local;
	struct mailbox m = { .conf = &conf };
	int first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "home");

	if (first + 1 != argc)
		die(EXIT_PERM, "expected one operand, the home directory");
	if (!maildir_enter(&m.dir, argv[first], conf.maildir)) {
		m.fault = errno;
		warn_sys("cannot enter '%s/%s'", argv[first], conf.maildir);
	}
	local_enter_junk(&m);
	local_confine(&m);
	return local_converse(&local, &m);
}
