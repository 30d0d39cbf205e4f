/* SPDX-License-Identifier: ISC */
/* The one loop of smtpd-tls. Nothing blocks but its poll. */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "proxy.h"

/* How long, and for how much, a client is read that was told goodbye. */
#define LINGER_MS 2000
#define LINGER_OCTETS (256 * 1024)

/* How long the last records may take, and the goodbye behind them. */
#define FAREWELL_MS 10000

enum moved { MOVED_SOME, MOVED_NOTHING, MOVED_END };

static enum moved
moved(struct proxy *p, enum engine_way way, ssize_t n)
{
	if (n > 0) {
		engine_done(p->engine, way, (size_t)n);
		return MOVED_SOME;
	}
	if (n == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return MOVED_NOTHING;
	return MOVED_END;
}

static enum moved
put(struct proxy *p, enum engine_way way, int fd)
{
	size_t n;
	char *buf = engine_buf(p->engine, way, &n);

	if (n == 0 || fd == -1)
		return MOVED_NOTHING;
	return moved(p, way, send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static enum moved
get(struct proxy *p, enum engine_way way, int fd)
{
	size_t n;
	char *buf = engine_buf(p->engine, way, &n);

	if (n == 0 || fd == -1)
		return MOVED_NOTHING;
	return moved(p, way, recv(fd, buf, n, MSG_DONTWAIT));
}

/* All that can be moved now. END: one of the two does not take any more. */
static enum moved
move(struct proxy *p)
{
	enum moved out, in, r = MOVED_NOTHING;

	if ((out = put(p, ENGINE_TO_CLIENT, p->client)) == MOVED_END ||
	    (in = put(p, ENGINE_TO_SESSION, p->session)) == MOVED_END)
		return MOVED_END;
	if (out == MOVED_SOME || in == MOVED_SOME)
		r = MOVED_SOME;
	if (!p->client_eof) {
		in = get(p, ENGINE_FROM_CLIENT, p->client);
		p->client_eof = in == MOVED_END;
		if (in != MOVED_NOTHING)
			r = MOVED_SOME;
	}
	if (!p->session_eof) {
		out = get(p, ENGINE_FROM_SESSION, p->session);
		p->session_eof = out == MOVED_END;
		if (out != MOVED_NOTHING)
			r = MOVED_SOME;
	}
	/* Only when there is no more: else each piece were a record. */
	if (r == MOVED_NOTHING)
		engine_flush(p->engine);
	return r;
}

static bool
has(struct proxy *p, enum engine_way way)
{
	size_t n;

	(void)engine_buf(p->engine, way, &n);
	return n > 0;
}

/* A descriptor of which we want nothing would wake us with its hang-up. */
static struct pollfd
watch(int fd, bool in, bool out)
{
	short events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));

	return (struct pollfd){ .fd = events == 0 ? -1 : fd, .events = events };
}

/* Waits until something can be moved. False: not until the deadline. */
static bool
wait_for_more(struct proxy *p, instant deadline)
{
	struct pollfd fds[] = {
		watch(p->client, !p->client_eof && has(p, ENGINE_FROM_CLIENT),
		    has(p, ENGINE_TO_CLIENT)),
		watch(p->session,
		    !p->session_eof && has(p, ENGINE_FROM_SESSION),
		    has(p, ENGINE_TO_SESSION)),
	};

	/* Nobody can move anything, ever. */
	if (fds[0].fd == -1 && fds[1].fd == -1)
		return false;
	while (poll(fds, nitems(fds), clock_left(deadline)) <= 0)
		if (clock_left(deadline) == 0)
			return false;
	return true;
}

const char *
proxy_handshake(struct proxy *p, instant deadline)
{
	while (!engine_is_up(p->engine)) {
		const char *error;

		switch (move(p)) {
		case MOVED_SOME:
			continue;
		case MOVED_END:
			return "the client has gone";
		case MOVED_NOTHING:
			break;
		}
		/* After an error an alert may wait, and was sent above. */
		error = engine_error(p->engine);
		if (error != NULL)
			return error;
		if (p->client_eof || engine_is_closed(p->engine))
			return "the client has closed";
		if (!wait_for_more(p, deadline))
			return "the client has taken too long";
	}
	return NULL;
}

/* What is under way goes out, and the goodbye. */
static void
say_goodbye(struct proxy *p)
{
	instant deadline = clock_in(FAREWELL_MS);

	(void)close(p->session);
	p->session = -1;
	engine_close(p->engine);
	for (;;) {
		enum moved m = move(p);

		if (m == MOVED_END || !has(p, ENGINE_TO_CLIENT))
			return;
		if (m == MOVED_NOTHING && !wait_for_more(p, deadline))
			return;
	}
}

/* Closing with octets unread would reset the connection. */
static void
linger(struct proxy *p)
{
	instant deadline = clock_in(LINGER_MS);
	size_t octets = 0;
	ssize_t n;

	if (shutdown(p->client, SHUT_WR) == -1)
		return;
	do {
		struct pollfd fd = { .fd = p->client, .events = POLLIN };
		char buf[4096];

		if (poll(&fd, 1, clock_left(deadline)) <= 0)
			return;
		n = recv(p->client, buf, sizeof(buf), MSG_DONTWAIT);
		octets += n > 0 ? (size_t)n : 0;
	} while (n > 0 && octets < LINGER_OCTETS);
}

/*
 * A client that does not read stops the session, which has its own patience
 * and ends; but that we only see where we still read from it.
 */
static instant
patience(struct proxy *p)
{
	return has(p, ENGINE_TO_CLIENT) ? clock_in(p->patience) : NEVER;
}

void
proxy_run(struct proxy *p)
{
	bool told = false;

	for (;;) {
		enum moved m = move(p);

		if (m == MOVED_END || engine_error(p->engine) != NULL)
			return;
		if (m == MOVED_SOME)
			continue;
		if (p->session_eof && !has(p, ENGINE_TO_CLIENT))
			break;
		/* What he said before it has been handed on by now. */
		if (!told && !has(p, ENGINE_TO_SESSION) &&
		    (p->client_eof || engine_is_closed(p->engine))) {
			(void)shutdown(p->session, SHUT_WR);
			told = true;
		}
		if (engine_is_closed(p->engine) ||
		    !wait_for_more(p, patience(p)))
			return;
	}
	say_goodbye(p);
	linger(p);
}
