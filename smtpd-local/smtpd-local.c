/* SPDX-License-Identifier: ISC */
/* smtpd-local: delivers messages into the Maildir of the user it runs as. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "confine.h"
#include "deliver.h"
#include "envelope.h"
#include "maildir.h"
#include "program.h"

#define VERDICT_MAX 8192

/* The message that is being told: D S R, then E. */
struct job {
	int fd;			/* -1: no D yet */
	char id[QUEUE_ID_SIZE];
	bool tried;		/* it may have been delivered before */
	bool has_sender, has_recipient;
	uint32_t index;
	struct sbuf sender, address;
};

struct mailbox {
	const struct conf *conf;
	struct maildir dir;
	int fault;		/* errno of maildir_enter: nothing can be */
};				/* delivered now */

struct verdict {
	char tag;		/* K Z X */
	const char *text;
	int fault;		/* errno, to be logged and told; 0: none */
};

static void
job_init(struct job *j)
{
	memset(j, 0, sizeof(*j));
	j->fd = -1;
	sbuf_init(&j->sender, ADDRESS_PATH_MAX);
	sbuf_init(&j->address, ADDRESS_PATH_MAX);
}

static void
job_forget(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	j->has_sender = j->has_recipient = false;
	sbuf_reset(&j->sender);
	sbuf_reset(&j->address);
}

/* --- verdicts -------------------------------------------------------------- */

/* Trouble with the user's files is never the sender's fault: no X here. */
static struct verdict
unwritable(int fault)
{
	struct verdict v = { 'Z', "451 4.2.0 Mailbox cannot be written",
		fault };

	if (fault == EDQUOT)
		v.text = "452 4.2.2 Disk quota exceeded";
	else if (fault == ENOSPC)
		v.text = "452 4.3.1 Disk is full";
	return v;
}

static struct verdict
unreadable(int fault)
{
	return (struct verdict){ 'Z', "451 4.3.0 Queue file cannot be read",
		fault };
}

static struct verdict
damaged(void)
{
	return (struct verdict){ 'Z', "451 4.3.0 Queue file is damaged", 0 };
}

static struct verdict
verdict_of(enum deliver_result r)
{
	switch (r) {
	case DELIVER_OK:
		break;
	case DELIVER_LOOP:
		return (struct verdict){ 'X',
			"554 5.4.6 Delivered-To loop", 0 };
	case DELIVER_DAMAGED:
		return damaged();
	case DELIVER_UNREADABLE:
		return unreadable(errno);
	case DELIVER_UNWRITABLE:
		return unwritable(errno);
	}
	return (struct verdict){ 'K', "250 2.0.0 Delivered", 0 };
}

/* --- one delivery ---------------------------------------------------------- */

/*
 * Writes, syncs, publishes. A mark on the message (M junk) would choose
 * another folder here; for now all is delivered to the inbox.
 */
static struct verdict
write_message(const struct mailbox *m, const struct job *j,
	const struct queuefile *q, const char *name)
{
	struct verdict v;
	struct stat st;
	int out;

	if (fstat(j->fd, &st) < 0)
		return unreadable(errno);
	out = maildir_create(name);
	if (out < 0)
		return unwritable(errno);
	v = verdict_of(deliver_copy(q, sbuf_span(&j->sender),
	    sbuf_span(&j->address), out));
	if (v.tag == 'K' && !maildir_publish(&m->dir, name, out, st.st_dev))
		v = unwritable(errno);
	close(out);
	if (v.tag != 'K')
		maildir_discard(name);
	return v;
}

static struct verdict
deliver_new(const struct mailbox *m, const struct job *j, const char *name)
{
	struct queuefile q;
	struct verdict v;

	switch (queuefile_open(&q, j->fd, j->id)) {
	case QUEUEFILE_OK:
		break;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		return damaged();
	case QUEUEFILE_IOERR:
		return unreadable(errno);
	}
	v = write_message(m, j, &q, name);
	queuefile_close(&q);
	return v;
}

static struct verdict
deliver(const struct mailbox *m, const struct job *j)
{
	char name[MAILDIR_NAME_MAX + 1];

	if (m->fault != 0)
		return unwritable(m->fault);
	maildir_name(name, j->id, j->index, m->conf->hostname);
	if (!j->tried)
		return deliver_new(m, j, name);
	switch (maildir_find(name)) {
	case MAILDIR_NO_COPY:
		break;
	case MAILDIR_COPY:
		return (struct verdict){ 'K',
			"250 2.0.0 Delivered by an earlier attempt", 0 };
	case MAILDIR_UNSURE:
		return unwritable(errno);
	}
	return deliver_new(m, j, name);
}

/* --- the conversation ------------------------------------------------------ */

/* D: ID ATTEMPT, and the message's descriptor. */
static bool
take_message(struct job *j, struct chan *c, struct span s)
{
	struct span id = span_cut(&s, ' ');
	uint32_t attempt;

	job_forget(j);
	if (!queue_id_valid(id) || !span_u32(s, UINT32_MAX, &attempt))
		return false;
	memcpy(j->id, id.p, QUEUE_ID_LEN);
	j->tried = attempt > 0;
	j->fd = chan_take_fd(c);
	return j->fd >= 0;
}

static bool
take_sender(struct job *j, struct span s)
{
	struct envelope_path e;

	if (j->has_sender || !envelope_sender(s, &e))
		return false;
	sbuf_addspan(&j->sender, e.path);
	j->has_sender = true;
	return !j->sender.bad;
}

/* R: INDEX <address>. */
static bool
take_recipient(struct job *j, struct span s)
{
	struct span index = span_cut(&s, ' ');
	struct address a;

	if (j->has_recipient || !span_u32(index, UINT32_MAX, &j->index) ||
	    address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK || s.n > 0)
		return false;
	sbuf_addspan(&j->address, a.whole);
	j->has_recipient = true;
	return !j->address.bad;
}

static bool
say(struct chan *c, const struct mailbox *m, const struct job *j,
	const struct verdict *v)
{
	instant deadline = clock_in(m->conf->helper_timeout * 1000);
	struct sbuf text;
	bool ok;

	sbuf_init(&text, VERDICT_MAX);
	sbuf_addf(&text, "%u maildir - %s", (unsigned)j->index, v->text);
	if (v->fault != 0) {
		sbuf_addf(&text, ": %s", strerror(v->fault));
		errno = v->fault;
		warn_sys("message %s", j->id);
	}
	ok = !text.bad &&
	    chan_send(c, v->tag, sbuf_span(&text), deadline) == IO_OK &&
	    chan_flush(c, deadline) == IO_OK;
	sbuf_free(&text);
	return ok;
}

static bool
take_end(struct job *j, struct chan *c, const struct mailbox *m)
{
	struct verdict v;
	bool ok;

	if (j->fd < 0 || !j->has_sender || !j->has_recipient)
		return false;
	v = deliver(m, j);
	ok = say(c, m, j, &v);
	job_forget(j);
	return ok;
}

static bool
take(struct job *j, struct chan *c, const struct mailbox *m,
	const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return take_message(j, c, f->payload);
	case 'S':
		return j->fd >= 0 && take_sender(j, f->payload);
	case 'R':
		return j->fd >= 0 && take_recipient(j, f->payload);
	case 'E':
		return take_end(j, c, m);
	default:
		return f->tag >= 'a';	/* lower case may be ignored */
	}
}

/*
 * Message after message. Between two of them it ends by itself rather than
 * be killed in one: smtpd-lspawn gives it not much more time than this.
 */
static enum exitcode
converse(const struct mailbox *m)
{
	static struct chan chan;
	instant last = clock_in(m->conf->local_timeout * 1000);
	struct frame f;
	struct job job;
	enum io r;

	chan_init(&chan, 0, 1);
	job_init(&job);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK && f.tag != 'Q') {
		if (!take(&job, &chan, m, &f)) {
			warn("unexpected frame %c, or no way to answer",
			    f.tag);
			return EXIT_TEMP;
		}
		if (f.tag == 'E' && clock_now() >= last)
			return EXIT_OK;
	}
	if (r == IO_ERROR || job.fd >= 0) {
		warn("the scheduler left in the middle of a message");
		return EXIT_TEMP;
	}
	return EXIT_OK;
}

/*
 * tmp and new are written, cur is listed, nothing else is opened. The three
 * may be links to anywhere of his: it is those places that are granted.
 */
static void
give_up_rights(const struct mailbox *m)
{
	static const int calls[] = {
		SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_pread64, SYS_write,
		SYS_writev, SYS_openat, SYS_close, SYS_fstat, SYS_newfstatat,
		SYS_fsync, SYS_renameat, SYS_unlinkat, SYS_getdents64,
		SYS_fcntl, SYS_lseek, SYS_brk, SYS_mmap, SYS_munmap,
		SYS_mremap, SYS_clock_gettime, SYS_rt_sigreturn,
		SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_open		/* what older architectures have besides */
		SYS_open, SYS_poll, SYS_stat, SYS_lstat, SYS_rename,
		SYS_unlink,
#endif
	};
	static const struct confine_path paths[] = {
		{ "tmp", CONFINE_WRITE },
		{ "new", CONFINE_WRITE },
		{ "cur", CONFINE_READ },
	};
	const struct confine c = { .calls = calls, .ncalls = nitems(calls),
		.paths = paths,
		.npaths = m->fault == 0 ? nitems(paths) : 0 };

	if (!confine(&c, m->conf))
		die_sys(EXIT_TEMP, "cannot confine myself");
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	struct mailbox m = { .conf = &conf };
	int first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "home");

	if (first + 1 != argc)
		die(EXIT_PERM, "expected the home directory and no more");
	if (!maildir_enter(&m.dir, argv[first], conf.maildir)) {
		m.fault = errno;
		warn_sys("cannot enter '%s/%s'", argv[first], conf.maildir);
	}
	give_up_rights(&m);
	return converse(&m);
}
