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
#include "maildir.h"
#include "parcel.h"
#include "program.h"

#define VERDICT_MAX 8192

struct mailbox {
	const struct conf *conf;
	struct maildir dir;
	int fault; /* errno of maildir_enter: nothing can be */
};                 /* delivered now */

struct verdict {
	char tag; /* K Z X */
	const char *text;
	int fault; /* errno, to be logged and told; 0: none */
};

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
		return (struct verdict){ 'X', "554 5.4.6 Delivered-To loop",
			0 };
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
write_message(const struct mailbox *m, const struct parcel *p,
    const struct queuefile *q, const char *name)
{
	struct verdict v;
	struct stat st;
	int out;

	if (fstat(p->fd, &st) < 0)
		return unreadable(errno);
	out = maildir_create(name);
	if (out < 0)
		return unwritable(errno);
	v = verdict_of(deliver_copy(q, sbuf_span(&p->sender),
	    sbuf_span(&p->address), out));
	if (v.tag == 'K' && !maildir_publish(&m->dir, name, out, st.st_dev))
		v = unwritable(errno);
	close(out);
	if (v.tag != 'K')
		maildir_discard(name);
	return v;
}

static struct verdict
deliver_new(const struct mailbox *m, const struct parcel *p, const char *name)
{
	struct queuefile q;
	struct verdict v;

	switch (queuefile_open(&q, p->fd, p->id)) {
	case QUEUEFILE_OK:
		break;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		return damaged();
	case QUEUEFILE_IOERR:
		return unreadable(errno);
	}
	v = write_message(m, p, &q, name);
	queuefile_close(&q);
	return v;
}

static struct verdict
deliver(const struct mailbox *m, const struct parcel *p)
{
	char name[MAILDIR_NAME_MAX + 1];

	if (m->fault != 0)
		return unwritable(m->fault);
	maildir_name(name, p->id, p->index, m->conf->hostname);
	if (!p->tried)
		return deliver_new(m, p, name);
	switch (maildir_find(name)) {
	case MAILDIR_NO_COPY:
		break;
	case MAILDIR_COPY:
		return (struct verdict){ 'K',
			"250 2.0.0 Delivered by an earlier attempt", 0 };
	case MAILDIR_UNSURE:
		return unwritable(errno);
	}
	return deliver_new(m, p, name);
}

/* --- the conversation ------------------------------------------------------ */

static bool
say(struct chan *c, const struct mailbox *m, const struct parcel *p,
    const struct verdict *v)
{
	instant deadline = clock_in(m->conf->helper_timeout * 1000);
	struct sbuf text;
	bool ok;

	sbuf_init(&text, VERDICT_MAX);
	sbuf_addf(&text, "%u maildir - %s", (unsigned)p->index, v->text);
	if (v->fault != 0) {
		sbuf_addf(&text, ": %s", strerror(v->fault));
		errno = v->fault;
		warn_sys("message %s", p->id);
	}
	ok = !text.bad &&
	    chan_send(c, v->tag, sbuf_span(&text), deadline) == IO_OK &&
	    chan_flush(c, deadline) == IO_OK;
	sbuf_free(&text);
	return ok;
}

static bool
take_end(struct parcel *p, struct chan *c, const struct mailbox *m)
{
	struct verdict v;
	bool ok;

	if (!parcel_is_whole(p))
		return false;
	v = deliver(m, p);
	ok = say(c, m, p, &v);
	parcel_forget(p);
	return ok;
}

static bool
take(struct parcel *p, struct chan *c, const struct mailbox *m,
    const struct frame *f)
{
	if (f->tag == 'E')
		return take_end(p, c, m);
	return f->tag >= 'a' || parcel_take(p, c, f);
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
	struct parcel parcel;
	enum io r;

	chan_init(&chan, 0, 1);
	parcel_init(&parcel);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK && f.tag != 'Q') {
		if (!take(&parcel, &chan, m, &f)) {
			warn("unexpected frame %c, or no way to answer", f.tag);
			return EXIT_TEMP;
		}
		if (f.tag == 'E' && clock_now() >= last)
			return EXIT_OK;
	}
	if (r == IO_ERROR || parcel.fd >= 0) {
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
		SYS_recvmsg,
		SYS_sendmsg,
		SYS_ppoll,
		SYS_pread64,
		SYS_write,
		SYS_writev,
		SYS_openat,
		SYS_close,
		SYS_fstat,
		SYS_newfstatat,
		SYS_fsync,
		SYS_renameat,
		SYS_unlinkat,
		SYS_getdents64,
		SYS_fcntl,
		SYS_lseek,
		SYS_brk,
		SYS_mmap,
		SYS_munmap,
		SYS_mremap,
		SYS_madvise,
		SYS_clock_gettime,
		SYS_rt_sigreturn,
		SYS_restart_syscall,
		SYS_exit,
		SYS_exit_group,
#ifdef SYS_open /* what older architectures have besides */
		SYS_open,
		SYS_poll,
		SYS_stat,
		SYS_lstat,
		SYS_rename,
		SYS_unlink,
#endif
	};
	static const struct confine_path paths[] = {
		{ "tmp", CONFINE_WRITE },
		{ "new", CONFINE_WRITE },
		{ "cur", CONFINE_READ },
	};
	const struct confine c = { .calls = calls,
		.ncalls = nitems(calls),
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
