/* SPDX-License-Identifier: ISC */
/* One loop over all clients of smtpd-rcpt, each in a kilobyte. */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "rcpt-loop.h"
#include "startup.h"

#define CLIENTS_MORE 64 /* beside the sessions: schedulers, tests */
#define OUT_SOFT 4096   /* no further request before this is sent */
#define TICK_MS 1000
#define EVENTS 64

struct client {
	int fd;        /* -1: a free place */
	bool done;     /* it sends no more */
	bool stalled;  /* it waits for room to send to */
	instant since; /* when it last sent, or since when it stalls */
	struct sbuf out;
	size_t sent, len;
	char in[RCPT_REQUEST_MAX];
};

struct loop {
	int epoll, listener;
	struct rcpt_table *table;
	struct client *clients;
	size_t nclients, used, nstalled;
	uint64_t patience_ms;
};

static void
drop(struct loop *l, struct client *c)
{
	close(c->fd);
	sbuf_free(&c->out);
	l->nstalled -= c->stalled;
	l->used--;
	c->stalled = false;
	c->fd = -1;
}

/* Listens to the client, or for room to send to it. */
static bool
set_stalled(struct loop *l, struct client *c, bool stalled)
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
	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

/* Sends what there is room for; false when the client is gone. */
static bool
flush(struct loop *l, struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.s + c->sent,
		    c->out.len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0)
			c->sent += (size_t)n;
		else if (errno == EAGAIN)
			return set_stalled(l, c, true);
		else if (errno != EINTR)
			return false;
	}
	c->sent = 0;
	/* A long list is rare: its memory is not kept. */
	if (c->out.cap > OUT_SOFT)
		sbuf_free(&c->out);
	else
		sbuf_reset(&c->out);
	return set_stalled(l, c, false);
}

/*
 * Answers the requests that are whole, as many as the client takes answers
 * for. False when it is to be dropped.
 */
static bool
answer_all(struct loop *l, struct client *c)
{
	size_t at = 0, used;
	struct frame f;

	while (!c->stalled) {
		enum frame_event e = frame_parse(span_of(c->in + at,
						     c->len - at),
		    &f, &used);

		if (e == FRAME_BAD ||
		    (e == FRAME_MORE && c->len - at == sizeof(c->in)))
			return false;
		if (e == FRAME_READY) {
			rcpt_answer(l->table, &f, &c->out);
			at += used;
		}
		if (c->out.bad)
			return false;
		if (e == FRAME_MORE || c->out.len >= OUT_SOFT) {
			if (!flush(l, c))
				return false;
			if (e == FRAME_MORE)
				break;
		}
	}
	c->len -= at;
	memmove(c->in, c->in + at, c->len);
	return !c->done || c->stalled;
}

/* False when the client is to be dropped. */
static bool
serve(struct loop *l, struct client *c)
{
	ssize_t n;

	if (c->stalled)
		return flush(l, c) && answer_all(l, c);
	n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->done = n == 0;
	c->len += (size_t)n;
	c->since = clock_now();
	return answer_all(l, c);
}

static struct client *
longest_idle(const struct loop *l)
{
	struct client *oldest = NULL;

	for (size_t i = 0; i < l->nclients; i++) {
		struct client *c = &l->clients[i];

		if (c->fd != -1 && (oldest == NULL || c->since < oldest->since))
			oldest = c;
	}
	return oldest;
}

static struct client *
free_place(struct loop *l)
{
	struct client *c = NULL;

	if (l->used == l->nclients) {
		c = longest_idle(l);
		warn("more than %zu connections: the one that has been idle "
		     "longest is closed",
		    l->nclients);
		drop(l, c);
		return c;
	}
	for (c = l->clients; c->fd != -1; c++)
		;
	return c;
}

/*
 * Without descriptors for one more, somebody has to go: an idle client will
 * connect again, a newcomer would wait in vain.
 */
static void
cannot_accept(struct loop *l)
{
	struct client *c = longest_idle(l);
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	warn_sys("cannot accept a connection");
	if ((errno == EMFILE || errno == ENFILE) && c != NULL)
		drop(l, c);
	else
		(void)nanosleep(&pause, NULL);
}

static void
welcome(struct loop *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN };
	struct client *c;

	if (fd < 0) {
		cannot_accept(l);
		return;
	}
	c = free_place(l);
	e.data.ptr = c;
	c->fd = fd;
	c->since = clock_now();
	c->sent = c->len = 0;
	c->done = c->stalled = false;
	sbuf_init(&c->out, RCPT_ANSWER_MAX);
	l->used++;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		warn_sys("cannot watch a connection");
		drop(l, c);
	} else if (!serve(l, c)) {
		drop(l, c); /* its question mostly came along */
	}
}

static void
drop_stalled(struct loop *l)
{
	instant now = clock_now();

	for (size_t i = 0; i < l->nclients && l->nstalled > 0; i++) {
		struct client *c = &l->clients[i];

		if (c->stalled && now - c->since > l->patience_ms) {
			warn("a client does not take its answers: dropped");
			drop(l, c);
		}
	}
}

static void
start(struct loop *l, int listener, struct rcpt_table *table)
{
	const struct conf *conf = table->aliases.conf;
	struct epoll_event e = { .events = EPOLLIN };

	memset(l, 0, sizeof(*l));
	l->listener = listener;
	l->table = table;
	l->patience_ms = conf->helper_timeout * 1000;
	l->nclients = startup_descriptors(conf->max_sessions + CLIENTS_MORE);
	l->clients = calloc(l->nclients, sizeof(*l->clients));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->clients == NULL || l->epoll < 0)
		die_sys(EXIT_TEMP, "cannot start");
	for (size_t i = 0; i < l->nclients; i++)
		l->clients[i].fd = -1;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, listener, &e) < 0)
		die_sys(EXIT_TEMP, "cannot watch the listening socket");
}

void
rcpt_loop(int listener, struct rcpt_table *table)
{
	struct epoll_event events[EVENTS];
	static struct loop l;

	start(&l, listener, table);
	for (;;) {
		int n = epoll_wait(l.epoll, events, EVENTS,
		    l.nstalled > 0 ? TICK_MS : -1);

		if (n < 0 && errno != EINTR)
			die_sys(EXIT_TEMP, "cannot wait for requests");
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (c == NULL)
				welcome(&l);
			else if (c->fd != -1 && !serve(&l, c))
				drop(&l, c);
		}
		drop_stalled(&l);
	}
}
