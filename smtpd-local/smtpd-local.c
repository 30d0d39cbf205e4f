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
#include "delivery.h"
#include "maildir.h"
#include "program.h"

#define VERDICT_MAX 8192

/* Synced together: at most so many messages, until so many octets. */
#define WAITING_MAX 8
#define WAITING_OCTETS (1024 * 1024)

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
	bool make = strcmp(m->conf->checks, "yes") == 0;

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
