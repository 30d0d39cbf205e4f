/* SPDX-License-Identifier: ISC */
/* smtpd-rcpt: knows whether a local recipient exists, and who gets its mail. */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alias.h"
#include "clock.h"
#include "confine.h"
#include "frame.h"
#include "program.h"
#include "readfile.h"
#include "serve.h"
#include "user.h"

#define REQUEST_MAX 1024         /* one frame on the wire */
#define ANSWER_MAX (1024 * 1024) /* a thousand T frames, and K */
#define LOOK_MS 1000
#define SETTLED_US 1000000
#define CLIENTS_MORE 64 /* beside the sessions: schedulers, tests */
#define OUT_SOFT 4096   /* no further request before this is sent */
#define TICK_MS 1000
#define EVENTS 64

/* The aliases, as their file is now. */
struct rcpt_table {
	struct alias_table aliases;
	struct stat seen; /* the file they came from, or the last bad one */
	instant next_look;
};

/* --- from an address through the aliases to mailboxes, here or elsewhere ---- */

enum recipient_result {
	RECIPIENT_OK,
	RECIPIENT_UNKNOWN, /* for certain */
	RECIPIENT_CANNOT,  /* cannot be determined now */
};

/* One walk from an address to its ends. */
struct walk {
	const struct alias_table *aliases;
	struct sbuf *out; /* frames; NULL: one good end is enough */
	bool stays;       /* ends elsewhere do not count */
	struct span end[ALIAS_RECIPIENTS_MAX]; /* addresses already in out */
	size_t nends;
	unsigned good;
	bool cannot;
};

static bool
walk_is_decided(const struct walk *w)
{
	return w->out == NULL && w->good > 0;
}

/* Two ends with the same address are one. */
static bool
walk_is_repeat(struct walk *w, struct span address)
{
	for (size_t i = 0; i < w->nends; i++) {
		if (span_ieq(w->end[i], address))
			return true;
	}
	if (w->nends < nitems(w->end))
		w->end[w->nends++] = address;
	return false;
}

/* mailbox NULL: the end is elsewhere. */
static void
walk_add_end(struct walk *w, const char *mailbox, struct span address)
{
	struct sbuf text;

	if (w->out == NULL || walk_is_repeat(w, address))
		return;
	sbuf_init(&text, FRAME_PAYLOAD_MAX);
	if (mailbox != NULL)
		sbuf_addf(&text, "user %s ", mailbox);
	else
		sbuf_adds(&text, "remote ");
	sbuf_addf(&text, "<%.*s>", (int)address.n, address.p);
	w->out->bad |= text.bad;
	frame_add(w->out, 'T', sbuf_span(&text));
	sbuf_free(&text);
}

/* The end of a local address, with the result of its look-up. */
static void
walk_user_end(struct walk *w, enum user_result r, const struct user *u,
    struct span address)
{
	switch (r) {
	case USER_FOUND:
		w->good++;
		walk_add_end(w, u->name, address);
		break;
	case USER_UNKNOWN:
		/* A quoted local-part may have no name to write. */
		if (u->name[0] != '\0')
			walk_add_end(w, u->name, address);
		break;
	case USER_CANNOT:
		w->cannot = true;
		break;
	}
}

static void walk_entry(struct walk *, const struct alias_entry *);

/*
 * Looks for the whole local-part, as alias and as mailbox, then for it without
 * its detail. from: the alias that listed it, which is not entered again.
 */
static void
walk_local(struct walk *w, const struct alias_entry *from,
    const struct address *a, struct span domain)
{
	char text[ADDRESS_LOCAL_MAX + 1];
	struct span local = alias_local(a, text);
	const struct alias_entry *e;
	enum user_result r;
	struct user u;

	u.name[0] = '\0';
	do {
		e = alias_find(w->aliases, local, domain);
		if (e != NULL && e != from) {
			walk_entry(w, e);
			return;
		}
		r = user_find_folded(w->aliases->conf, local, &u);
		local = alias_base(local);
	} while (r == USER_UNKNOWN && local.n > 0);
	walk_user_end(w, r, &u, a->whole);
}

static void
walk_target(struct walk *w, const struct alias_entry *from, struct span target)
{
	struct address a;

	if (address_mailbox(target, &a) != ADDRESS_OK) {
		w->cannot = true; /* impossible: it was checked at load */
		return;
	}
	if (alias_is_local(w->aliases, a.domain)) {
		walk_local(w, from, &a, a.domain);
		return;
	}
	if (w->stays)
		return;
	w->good++;
	walk_add_end(w, NULL, a.whole);
}

/* No deeper than ALIAS_DEPTH_MAX: the table was checked at load. */
static void
walk_entry(struct walk *w, const struct alias_entry *e)
{
	for (size_t i = 0; i < e->ntargets && !walk_is_decided(w); i++)
		walk_target(w, e, alias_target(w->aliases, e, i));
}

static enum recipient_result
recipient_walk(const struct alias_table *t, const struct address *a,
    struct sbuf *out, bool stays)
{
	struct span domains = span_str(t->conf->local_domains);
	struct span domain = a->domain.n > 0 ? a->domain : span_word(&domains);
	size_t before = out == NULL ? 0 : out->len;
	struct walk w;

	w.aliases = t;
	w.out = out;
	w.stays = stays;
	w.nends = w.good = 0;
	w.cannot = false;
	walk_local(&w, NULL, a, domain);
	if (w.good > 0 && (out == NULL || (!w.cannot && !out->bad)))
		return RECIPIENT_OK;
	if (out != NULL)
		sbuf_truncate(out, before);
	return w.cannot || w.good > 0 ? RECIPIENT_CANNOT : RECIPIENT_UNKNOWN;
}

/*
 * May mail for this address, in a local domain, be accepted? An address without
 * a domain (postmaster) is in the first local domain. An alias is good when one
 * of its ends is.
 */
static enum recipient_result
recipient_known(const struct alias_table *t, const struct address *a)
{
	return recipient_walk(t, a, NULL, false);
}

/*
 * Appends a T frame for each end of the address, as smtpd-frames(5) has it.
 * Beside good ends, an end that does not exist is listed as a user too: its
 * delivery fails, and the sender is told. Not OK: nothing is appended.
 */
static enum recipient_result
recipient_expand(const struct alias_table *t, const struct address *a,
    struct sbuf *out)
{
	return recipient_walk(t, a, out, false);
}

/* Postmaster of the address's domain; text has room for it. */
static struct address
recipient_postmaster(const struct address *a, char *text, size_t room)
{
	struct span domain = a->domain;
	int n = snprintf(text, room, "postmaster%s%.*s",
	    domain.n > 0 ? "@" : "", (int)domain.n, domain.p);

	return (struct address){ .whole = span_of(text, (size_t)n),
		.local = SPAN("postmaster"),
		.domain = domain };
}

/*
 * The same for a message marked as junk, which is not sent on: ends elsewhere
 * are left out. When no other end is good, postmaster gets it.
 */
static enum recipient_result
recipient_expand_junk(const struct alias_table *t, const struct address *a,
    struct sbuf *out)
{
	char text[sizeof("postmaster@") + ADDRESS_DOMAIN_MAX];
	enum recipient_result r = recipient_walk(t, a, out, true);
	struct address postmaster;

	if (r != RECIPIENT_UNKNOWN || recipient_known(t, a) != RECIPIENT_OK)
		return r;
	postmaster = recipient_postmaster(a, text, sizeof(text));
	r = recipient_walk(t, &postmaster, out, true);
	/* Only a postmaster elsewhere is left to get it. */
	return r == RECIPIENT_UNKNOWN ?
	    recipient_walk(t, &postmaster, out, false) :
	    r;
}

/* --- the table of aliases, sound and as new as its file ------------------ */

/* Is postmaster of every local domain still found? */
static enum recipient_result
rcpt_table_check(const struct alias_table *t, struct span *domain)
{
	struct span domains = span_str(t->conf->local_domains);
	struct address a = { .local = SPAN("postmaster") };
	enum recipient_result r;

	while ((*domain = span_word(&domains)).n > 0) {
		a.whole = a.local;
		a.domain = *domain;
		r = recipient_known(t, &a);
		if (r != RECIPIENT_OK)
			return r;
	}
	return RECIPIENT_OK;
}

/* Says, with FILE:LINE if postmaster is an alias, that it leads to no recipient. */
static void
rcpt_name_postmaster(const struct alias_table *t, struct span domain,
    struct sbuf *why)
{
	const struct alias_entry *e = alias_find(t, SPAN("postmaster"), domain);

	sbuf_adds(why,
	    t->conf->aliases[0] == '\0' ? "aliases" : t->conf->aliases);
	if (e != NULL)
		sbuf_addf(why, ":%u", (unsigned)e->line);
	sbuf_addf(why, ": postmaster@%.*s %s", (int)domain.n, domain.p,
	    e != NULL ? "leads to no recipient" :
			"is neither an alias nor a mailbox");
}

/* EXIT_OK with t filled, or another exit code with *why and t empty. */
static enum exitcode
rcpt_table_load(struct alias_table *t, struct sbuf *why)
{
	const char *path = t->conf->aliases;
	struct alias_where where = { 0 };
	enum alias_result result = ALIAS_OK;
	enum exitcode code = EXIT_PERM;
	struct span domain;

	if (path[0] != '\0')
		result = alias_load(t, path, &where);
	switch (result) {
	case ALIAS_OK:
		break;
	case ALIAS_BAD:
		sbuf_adds(why, path);
		if (where.line > 0)
			sbuf_addf(why, ":%u", where.line);
		sbuf_addf(why, ": %s", where.what);
		goto fail;
	case ALIAS_IOERR:
		sbuf_addf(why, "cannot read '%s': %s", path, strerror(errno));
		code = EXIT_TEMP;
		goto fail;
	}
	switch (rcpt_table_check(t, &domain)) {
	case RECIPIENT_OK:
		return EXIT_OK;
	case RECIPIENT_UNKNOWN:
		rcpt_name_postmaster(t, domain, why);
		break;
	case RECIPIENT_CANNOT:
		sbuf_addf(why, "cannot look up postmaster@%.*s", (int)domain.n,
		    domain.p);
		code = EXIT_TEMP;
		break;
	}
fail:
	alias_free(t);
	return code;
}

/* A change in the future means that the clock was set back. */
static bool
rcpt_settled(const struct stat *st)
{
	uint64_t now = clock_wall_us();
	uint64_t changed = readfile_changed_us(st);

	return changed > now || now - changed >= SETTLED_US;
}

/*
 * Loads the aliases at start. Dies when they are wrong or postmaster of a local
 * domain leads to no recipient (EXIT_PERM), and when that cannot be determined
 * (EXIT_TEMP).
 */
static void
rcpt_table_open(struct rcpt_table *t, const struct conf *conf)
{
	struct sbuf why;
	enum exitcode code;

	sbuf_init(&why, 1024);
	alias_init(&t->aliases, conf);
	memset(&t->seen, 0, sizeof(t->seen));
	t->next_look = 0;
	/* Before the load: a change in between is noticed later. */
	if (conf->aliases[0] != '\0' && stat(conf->aliases, &t->seen) < 0)
		die_sys(EXIT_TEMP, "cannot read '%s'", conf->aliases);
	code = rcpt_table_load(&t->aliases, &why);
	if (code != EXIT_OK)
		die(code, "%s", why.s);
}

/* After a temporary failure it tries again; it logs a permanent one once. */
static void
rcpt_table_reload(struct rcpt_table *t, const struct stat *st)
{
	struct alias_table fresh;
	struct sbuf why;

	sbuf_init(&why, 1024);
	alias_init(&fresh, t->aliases.conf);
	switch (rcpt_table_load(&fresh, &why)) {
	case EXIT_OK:
		alias_free(&t->aliases);
		t->aliases = fresh;
		t->seen = *st;
		break;
	case EXIT_PERM:
		t->seen = *st;
		warn("%s: the old aliases stay in use", why.s);
		break;
	case EXIT_BUG:
	case EXIT_TEMP:
		warn("%s: the old aliases stay in use for now", why.s);
		break;
	}
	sbuf_free(&why);
}

/*
 * Loads a changed file, looking at most once a second, and only after it has
 * not changed for a second, so that it is not read while it is being written. A
 * wrong file is logged, and the old aliases stay.
 */
static void
rcpt_table_refresh(struct rcpt_table *t)
{
	const char *path = t->aliases.conf->aliases;
	instant now = clock_now();
	struct stat st;

	if (path[0] == '\0' || now < t->next_look)
		return;
	t->next_look = now + LOOK_MS;
	/* A missing file: an editor may be about to replace it. */
	if (stat(path, &st) < 0 || readfile_same(&st, &t->seen) ||
	    !rcpt_settled(&st))
		return;
	rcpt_table_reload(t, &st);
}

/* --- questions and answers ----------------------------------------------- */

/*
 * An unmounted mailbox_root looks like an empty one: no recipient is unknown
 * while postmaster is not found either.
 */
static enum recipient_result
rcpt_doubted(const struct alias_table *t, enum recipient_result r)
{
	struct span domain;

	if (r == RECIPIENT_UNKNOWN && t->conf->mailbox_root[0] != '\0' &&
	    rcpt_table_check(t, &domain) != RECIPIENT_OK)
		return RECIPIENT_CANNOT;
	return r;
}

static void
rcpt_verdict(struct sbuf *out, enum recipient_result r)
{
	switch (r) {
	case RECIPIENT_OK:
		frame_add(out, 'K', SPAN(""));
		break;
	case RECIPIENT_UNKNOWN:
		frame_add(out, 'X', SPAN("550 5.1.1 No such mailbox"));
		break;
	case RECIPIENT_CANNOT:
		frame_add(out, 'Z',
		    SPAN("451 4.3.0 Recipient cannot be looked up now"));
		break;
	}
}

/*
 * Appends the answer: to Q one of K Z X, to L and J any number of T before it;
 * nothing to a lower-case frame.
 */
static void
rcpt_answer(struct rcpt_table *t, const struct frame *f, struct sbuf *out)
{
	struct span rest = f->payload;
	enum recipient_result r;
	struct address a;

	if (f->tag >= 'a')
		return;
	if (f->tag != 'Q' && f->tag != 'L' && f->tag != 'J') {
		frame_add(out, 'X', SPAN("554 5.5.0 Unknown request"));
		return;
	}
	if (address_path(&rest, ADDRESS_FORWARD, &a) != ADDRESS_OK ||
	    rest.n > 0) {
		frame_add(out, 'X', SPAN("553 5.1.3 Bad recipient address"));
		return;
	}
	rcpt_table_refresh(t);
	if (f->tag == 'Q')
		r = recipient_known(&t->aliases, &a);
	else if (f->tag == 'L')
		r = recipient_expand(&t->aliases, &a, out);
	else
		r = recipient_expand_junk(&t->aliases, &a, out);
	rcpt_verdict(out, rcpt_doubted(&t->aliases, r));
}

/* --- one loop over all clients, each in a kilobyte ----------------------- */

struct rcpt_client {
	struct chan chan; /* in.fd -1: a free place */
	bool done;        /* it sends no more */
	bool stalled;     /* it does not read its answers */
	instant since;    /* when it last sent, or when it stalled */
	struct sbuf out;
	char in[REQUEST_MAX];
};

struct rcpt_loop {
	int epoll, listener;
	struct rcpt_table *table;
	struct rcpt_client *clients;
	size_t nclients, used, nstalled;
	uint64_t patience_ms;
};

static void
rcpt_client_drop(struct rcpt_loop *l, struct rcpt_client *c)
{
	chan_close(&c->chan);
	sbuf_free(&c->out);
	l->nstalled -= c->stalled;
	l->used--;
	c->stalled = false;
	c->chan.in.fd = -1;
}

/* Waits for the client's requests, or for room to send answers. */
static bool
rcpt_client_set_stalled(struct rcpt_loop *l, struct rcpt_client *c,
    bool stalled)
{
	struct epoll_event e = { .events = stalled ? EPOLLOUT : EPOLLIN,
		.data.ptr = c };

	if (stalled == c->stalled)
		return true;
	c->stalled = stalled;
	c->since = clock_now();
	if (stalled)
		l->nstalled++;
	else
		l->nstalled--;
	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->chan.in.fd, &e) == 0;
}

/* Sends as much as there is room for; false when the client is gone. */
static bool
rcpt_client_push(struct rcpt_loop *l, struct rcpt_client *c)
{
	enum io r = chan_push(&c->chan, &c->out);

	/* A long list is rare, so its memory is not kept. */
	if (r == IO_OK && c->out.cap > OUT_SOFT)
		sbuf_free(&c->out);
	return (r == IO_OK || r == IO_TIMEOUT) &&
	    rcpt_client_set_stalled(l, c, r == IO_TIMEOUT);
}

/*
 * Answers the whole requests, as long as the client reads the answers. False
 * when it is to be dropped.
 */
static bool
rcpt_client_answer_all(struct rcpt_loop *l, struct rcpt_client *c)
{
	enum io r = IO_OK;
	struct frame f;

	while (!c->stalled && r == IO_OK) {
		r = chan_next(&c->chan, &f);
		if (r == IO_OK)
			rcpt_answer(l->table, &f, &c->out);
		else if (r != IO_TIMEOUT)
			return false;
		if ((r == IO_TIMEOUT || c->out.len >= OUT_SOFT) &&
		    !rcpt_client_push(l, c))
			return false;
	}
	return !c->done || c->stalled;
}

/* False when the client is to be dropped. */
static bool
rcpt_client_serve(struct rcpt_loop *l, struct rcpt_client *c)
{
	if (c->stalled)
		return rcpt_client_push(l, c) && rcpt_client_answer_all(l, c);
	switch (chan_fill(&c->chan)) {
	case IO_OK:
		break;
	case IO_EOF:
		c->done = true;
		break;
	case IO_TIMEOUT:
		return true;
	case IO_ERROR:
		return false;
	}
	c->since = clock_now();
	return rcpt_client_answer_all(l, c);
}

static struct rcpt_client *
rcpt_longest_idle(const struct rcpt_loop *l)
{
	struct rcpt_client *oldest = NULL;

	for (size_t i = 0; i < l->nclients; i++) {
		struct rcpt_client *c = &l->clients[i];

		if (c->chan.in.fd != -1 &&
		    (oldest == NULL || c->since < oldest->since))
			oldest = c;
	}
	return oldest;
}

static struct rcpt_client *
rcpt_free_place(struct rcpt_loop *l)
{
	struct rcpt_client *c = NULL;

	if (l->used == l->nclients) {
		c = rcpt_longest_idle(l);
		warn("more than %zu connections: the one that has been idle "
		     "longest is closed",
		    l->nclients);
		rcpt_client_drop(l, c);
		return c;
	}
	for (c = l->clients; c->chan.in.fd != -1; c++)
		;
	return c;
}

/*
 * Without a free descriptor the client that has been idle longest is dropped:
 * it can connect again, while the new one would wait in vain.
 */
static void
rcpt_cannot_accept(struct rcpt_loop *l)
{
	struct rcpt_client *c = rcpt_longest_idle(l);
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	warn_sys("cannot accept a connection");
	if ((errno == EMFILE || errno == ENFILE) && c != NULL)
		rcpt_client_drop(l, c);
	else
		(void)nanosleep(&pause, NULL);
}

static void
rcpt_welcome(struct rcpt_loop *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN };
	struct rcpt_client *c;

	if (fd < 0) {
		rcpt_cannot_accept(l);
		return;
	}
	c = rcpt_free_place(l);
	e.data.ptr = c;
	chan_init_small(&c->chan, fd, c->in, sizeof(c->in));
	c->since = clock_now();
	c->done = c->stalled = false;
	sbuf_init(&c->out, ANSWER_MAX);
	l->used++;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		warn_sys("cannot watch a connection");
		rcpt_client_drop(l, c);
	} else if (!rcpt_client_serve(l, c)) {
		rcpt_client_drop(l, c);
	}
}

static void
rcpt_drop_stalled(struct rcpt_loop *l)
{
	instant now = clock_now();

	for (size_t i = 0; i < l->nclients && l->nstalled > 0; i++) {
		struct rcpt_client *c = &l->clients[i];

		if (c->stalled && now - c->since > l->patience_ms) {
			warn("dropped a client that does not read its answers");
			rcpt_client_drop(l, c);
		}
	}
}

static void
rcpt_start(struct rcpt_loop *l, int listener, struct rcpt_table *table)
{
	const struct conf *conf = table->aliases.conf;
	struct epoll_event e = { .events = EPOLLIN };

	memset(l, 0, sizeof(*l));
	l->listener = listener;
	l->table = table;
	l->patience_ms = conf->helper_timeout * 1000;
	l->nclients = program_descriptors(conf->max_sessions + CLIENTS_MORE);
	l->clients = calloc(l->nclients, sizeof(*l->clients));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->clients == NULL || l->epoll < 0)
		die_sys(EXIT_TEMP, "cannot start");
	for (size_t i = 0; i < l->nclients; i++)
		l->clients[i].chan.in.fd = -1;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die_sys(EXIT_TEMP, "cannot watch the listening socket");
}

/*
 * Answers all clients, for ever. Beyond the limit (max_sessions and some more,
 * so that every session has its place) a new client takes the place of the one
 * that has been idle longest. A client that does not read its answers for
 * helper_timeout is dropped.
 */
_Noreturn static void
rcpt_loop(int listener, struct rcpt_table *table)
{
	struct epoll_event events[EVENTS];
	static struct rcpt_loop l;

	rcpt_start(&l, listener, table);
	for (;;) {
		int n = epoll_wait(l.epoll, events, EVENTS,
		    l.nstalled > 0 ? TICK_MS : -1);

		if (n < 0 && errno != EINTR)
			die_sys(EXIT_TEMP, "cannot wait for requests");
		for (int i = 0; i < n; i++) {
			struct rcpt_client *c = events[i].data.ptr;

			if (c == NULL)
				rcpt_welcome(&l);
			else if (c->chan.in.fd != -1 &&
			    !rcpt_client_serve(&l, c))
				rcpt_client_drop(&l, c);
		}
		rcpt_drop_stalled(&l);
	}
}

/* --- the start ----------------------------------------------------------- */

/* One conversation on 0 and 1, which may be pipes. */
static int
rcpt_converse(struct rcpt_table *table, instant patience_ms)
{
	static struct chan chan;
	static struct chan_room room;
	static struct sbuf out;
	struct frame f;
	enum io r;

	chan_init(&chan, &room, 0, 1);
	sbuf_init(&out, ANSWER_MAX);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK) {
		sbuf_reset(&out);
		rcpt_answer(table, &f, &out);
		if (out.bad)
			die(EXIT_TEMP, "no memory for an answer");
		if (io_write(1, out.s, out.len, clock_in(patience_ms)) != IO_OK)
			die_sys(EXIT_TEMP, "cannot answer");
	}
	if (r != IO_EOF)
		die_sys(EXIT_TEMP, "cannot read a request");
	return EXIT_OK;
}

/*
 * NSS modules load libraries, read files anywhere and connect to daemons
 * (systemd, sssd, ldap), as the system's nsswitch.conf says. So the calls that
 * no module needs are forbidden, and so is writing files.
 */
static const struct confine keep = { .kind = CONFINE_MODULES,
	.paths = { { "/", CONFINE_READ } } };

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct rcpt_table table;
	int listener;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") < argc)
		die(EXIT_PERM, "takes no operands");
	listener = serve_listener();
	if (listener >= 0)
		confine_report();
	confine(&keep, &conf);
	user_check_sentinel(&conf);
	rcpt_table_open(&table, &conf);
	if (listener >= 0)
		rcpt_loop(listener, &table);
	return rcpt_converse(&table, conf.helper_timeout * 1000);
}
