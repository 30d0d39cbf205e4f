/* SPDX-License-Identifier: ISC */
/* smtpd-tls: holds the private keys and speaks TLS with a session's client. */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "conversation.h"
#include "engine.h"
#include "program.h"
#include "serve.h"

/*
 * Each of the three profiles may have a listener for IPv4 and one for IPv6,
 * with max_sessions each. None of them may use up the room of another.
 */
#define LISTENERS 6

#define TEXT_ROOM 8192
#define REPLY_ROOM (TEXT_ROOM + sizeof("454 4.7.0 "))
#define CHECK_ROOM (1024 * 1024)

static void
tls_warn_lines(struct span lines)
{
	while (lines.n > 0) {
		struct span line = span_cut(&lines, '\n');

		warn("%.*s", (int)line.n, line.p);
	}
}

/* serve_reads for each of the blank-separated paths. */
static void
tls_watch_files(const char *list)
{
	struct span rest = span_str(list), path;

	while ((path = span_word(&rest)).n > 0) {
		char *copy = strndup(path.p, path.n);

		if (copy != NULL)
			serve_reads(copy);
	}
}

/* Loads the certificates; NULL: *why says what is wrong. */
static struct engine *
tls_load(const struct conf *conf, struct sbuf *why)
{
	struct sbuf notes;
	struct engine *e;

	sbuf_init(why, TEXT_ROOM);
	sbuf_init(&notes, TEXT_ROOM);
	e = engine_load(conf, why, &notes);
	if (e != NULL)
		tls_warn_lines(sbuf_span(&notes));
	sbuf_free(&notes);
	return e;
}

/* --- whether TLS can be had --------------------------------------------- */

/* The certificates, read once, or the reply that says why they are missing. */
struct certificates {
	struct engine *engine;
	struct sbuf no;
};

static void
tls_read_certificates(struct certificates *c, const struct conf *conf)
{
	struct sbuf why;

	tls_watch_files(conf->tls_cert);
	tls_watch_files(conf->tls_key);
	sbuf_init(&c->no, REPLY_ROOM);
	c->engine = tls_load(conf, &why);
	if (c->engine == NULL) {
		warn("TLS is not offered: %s", why.s);
		sbuf_addf(&c->no, "454 4.7.0 %s", why.s);
	}
	sbuf_free(&why);
	/* From here on the keys are in memory. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Tells each new connection at once whether TLS is available. */
static bool
tls_hello(void *context, struct sbuf *hello)
{
	struct certificates *c = context;

	frame_add(hello, c->engine != NULL ? 'K' : 'Z', sbuf_span(&c->no));
	return c->engine != NULL;
}

static int
tls_check(const struct conf *conf)
{
	struct sbuf why, text;
	struct engine *e = tls_load(conf, &why);

	sbuf_init(&text, CHECK_ROOM);
	if (e != NULL) {
		engine_describe(e, &text);
		engine_free(e);
	} else {
		die(EXIT_PERM, "%s", why.s);
	}
	if (io_write(1, text.s, text.len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write to the standard output");
	return EXIT_OK;
}

/* --- octets, both ways ------------------------------------------------------- */

/* How long, and how much, a client is still read after the goodbye. */
#define LINGER_MS 2000
#define LINGER_OCTETS (256 * 1024)

/* How long the last records may take, and the goodbye behind them. */
#define FAREWELL_MS 10000

struct proxy {
	struct engine *engine; /* started */
	int client;
	int session;       /* clear text; -1: not yet, or no longer */
	uint64_t patience; /* ms that a client may take to read */
	bool client_eof, session_eof;
};

enum moved { MOVED_SOME, MOVED_NOTHING, MOVED_END };

static enum moved
proxy_moved(struct proxy *p, enum engine_way way, ssize_t n)
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
proxy_put(struct proxy *p, enum engine_way way, int fd)
{
	size_t n;
	char *buf = engine_buf(p->engine, way, &n);

	if (n == 0 || fd == -1)
		return MOVED_NOTHING;
	return proxy_moved(p, way,
	    send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static enum moved
proxy_get(struct proxy *p, enum engine_way way, int fd)
{
	size_t n;
	char *buf = engine_buf(p->engine, way, &n);

	if (n == 0 || fd == -1)
		return MOVED_NOTHING;
	return proxy_moved(p, way, recv(fd, buf, n, MSG_DONTWAIT));
}

/* Moves everything that can be moved now. END: one of the two takes no more. */
static enum moved
proxy_move(struct proxy *p)
{
	enum moved out, in, r = MOVED_NOTHING;

	if ((out = proxy_put(p, ENGINE_TO_CLIENT, p->client)) == MOVED_END ||
	    (in = proxy_put(p, ENGINE_TO_SESSION, p->session)) == MOVED_END)
		return MOVED_END;
	if (out == MOVED_SOME || in == MOVED_SOME)
		r = MOVED_SOME;
	if (!p->client_eof) {
		in = proxy_get(p, ENGINE_FROM_CLIENT, p->client);
		p->client_eof = in == MOVED_END;
		if (in != MOVED_NOTHING)
			r = MOVED_SOME;
	}
	if (!p->session_eof) {
		out = proxy_get(p, ENGINE_FROM_SESSION, p->session);
		p->session_eof = out == MOVED_END;
		if (out != MOVED_NOTHING)
			r = MOVED_SOME;
	}
	/*
	 * Only if there is no more: otherwise each piece would become a
	 * record.
	 */
	if (r == MOVED_NOTHING)
		engine_flush(p->engine);
	return r;
}

static bool
proxy_has(struct proxy *p, enum engine_way way)
{
	size_t n;

	(void)engine_buf(p->engine, way, &n);
	return n > 0;
}

/* An unwanted descriptor would wake the loop with its hang-up. */
static struct pollfd
proxy_watch(int fd, bool in, bool out)
{
	short events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));

	return (struct pollfd){ .fd = events == 0 ? -1 : fd, .events = events };
}

/* Waits until something can be moved. False: not by the deadline. */
static bool
proxy_wait(struct proxy *p, instant deadline)
{
	struct pollfd fds[] = {
		proxy_watch(p->client,
		    !p->client_eof && proxy_has(p, ENGINE_FROM_CLIENT),
		    proxy_has(p, ENGINE_TO_CLIENT)),
		proxy_watch(p->session,
		    !p->session_eof && proxy_has(p, ENGINE_FROM_SESSION),
		    proxy_has(p, ENGINE_TO_SESSION)),
	};

	/* Nothing can move, ever. */
	if (fds[0].fd == -1 && fds[1].fd == -1)
		return false;
	while (poll(fds, nitems(fds), clock_left(deadline)) <= 0)
		if (clock_left(deadline) == 0)
			return false;
	return true;
}

/* NULL if the handshake succeeds, or why it failed. */
static const char *
proxy_handshake(struct proxy *p, instant deadline)
{
	while (!engine_is_up(p->engine)) {
		const char *error;

		switch (proxy_move(p)) {
		case MOVED_SOME:
			continue;
		case MOVED_END:
			return "the connection to the client broke";
		case MOVED_NOTHING:
			break;
		}
		/*
		 * After an error there may be an alert, which was sent above.
		 */
		error = engine_error(p->engine);
		if (error != NULL)
			return error;
		if (p->client_eof || engine_is_closed(p->engine))
			return "the client closed the connection";
		if (!proxy_wait(p, deadline))
			return "the client took too long";
	}
	return NULL;
}

/* Sends what is under way, and the goodbye. */
static void
proxy_goodbye(struct proxy *p)
{
	instant deadline = clock_in(FAREWELL_MS);

	(void)close(p->session);
	p->session = -1;
	engine_close(p->engine);
	for (;;) {
		enum moved m = proxy_move(p);

		if (m == MOVED_END || !proxy_has(p, ENGINE_TO_CLIENT))
			return;
		if (m == MOVED_NOTHING && !proxy_wait(p, deadline))
			return;
	}
}

/* Closing the socket with unread octets would reset the connection. */
static void
proxy_linger(struct proxy *p)
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
 * A client that does not read stops the session, which has a time-out of its
 * own. But the loop sees the session's end only while it still reads from it.
 */
static instant
proxy_patience(struct proxy *p)
{
	return proxy_has(p, ENGINE_TO_CLIENT) ? clock_in(p->patience) : NEVER;
}

/*
 * Carries octets both ways until both have finished, or one is gone. At the
 * end the client gets a goodbye and is read for a while, so that its unread
 * octets do not cost it our last ones.
 */
static void
proxy_run(struct proxy *p)
{
	bool told = false;

	for (;;) {
		enum moved m = proxy_move(p);

		if (m == MOVED_END || engine_error(p->engine) != NULL)
			return;
		if (m == MOVED_SOME)
			continue;
		if (p->session_eof && !proxy_has(p, ENGINE_TO_CLIENT))
			break;
		/*
		 * The client's octets before its end have been passed on by
		 * now.
		 */
		if (!told && !proxy_has(p, ENGINE_TO_SESSION) &&
		    (p->client_eof || engine_is_closed(p->engine))) {
			(void)shutdown(p->session, SHUT_WR);
			told = true;
		}
		if (engine_is_closed(p->engine) ||
		    !proxy_wait(p, proxy_patience(p)))
			return;
	}
	proxy_goodbye(p);
	proxy_linger(p);
}

/* --- one connection ---------------------------------------------------- */

static struct chan chan;
static struct chan_room room;

_Noreturn static void
tls_answer(char tag, struct span text, instant deadline)
{
	enum io r = conversation_answer(&chan, tag, text, deadline);

	exit(r == IO_OK ? EXIT_OK : EXIT_TEMP);
}

/* The client's socket, or -1 at the end of file. */
static int
tls_await_client(instant deadline)
{
	struct frame f;
	enum io r = chan_recv(&chan, &f, deadline);
	int client;

	if (r == IO_EOF)
		return -1;
	client = r == IO_OK ? chan_take_fd(&chan) : -1;
	if (r != IO_OK || f.tag != 'T' || client == -1)
		tls_answer('X', SPAN("554 5.5.1 Not a TLS request"), deadline);
	return client;
}

static void
tls_send_facts(const struct engine *e, int stream, instant deadline)
{
	const struct engine_facts f = engine_facts(e);
	const char *const facts[][2] = {
		{ "protocol=", f.protocol },
		{ "cipher=", f.cipher },
		{ "name=", f.name },
	};

	for (size_t i = 0; i < nitems(facts); i++) {
		char mem[512];
		struct sbuf b = SBUF_IN(mem);

		sbuf_adds(&b, facts[i][0]);
		sbuf_adds(&b, facts[i][1]);
		if (chan_send(&chan, 'C', sbuf_span(&b), deadline) != IO_OK)
			exit(EXIT_TEMP);
	}
	if (chan_send_fd(&chan, 'K', SPAN(""), stream, deadline) != IO_OK)
		exit(EXIT_TEMP);
}

static void
tls_converse(struct engine *e, const int stream[2], const struct conf *conf)
{
	uint64_t patience = conf->helper_timeout * 1000;
	struct proxy p = {
		.engine = e,
		.session = -1,
		.patience = conf->command_timeout * 1000,
	};
	char mem[256];
	struct sbuf no = SBUF_IN(mem);
	const char *error;

	p.client = tls_await_client(NEVER);
	if (p.client == -1)
		return;
	error = proxy_handshake(&p, clock_in(conf->tls_timeout * 1000));
	if (error != NULL) {
		sbuf_addf(&no, "454 4.7.0 TLS handshake failed: %s", error);
		tls_answer('Z', sbuf_span(&no), clock_in(patience));
	}
	tls_send_facts(e, stream[1], clock_in(patience));
	(void)close(stream[1]);
	chan_close(&chan);
	p.session = stream[0];
	proxy_run(&p);
}

int
main(int argc, char *argv[])
{
	/* With the keys in memory it does no more than carry octets. */
	static const struct confine keep = { .calls = { SYS_socketpair } };
	static struct conf conf;
	static struct certificates certificates;
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE,
		.hello = tls_hello,
		.context = &certificates };
	int stream[2],
	    first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
		"[check]");

	if (first + 1 == argc && strcmp(argv[first], "check") == 0)
		return tls_check(&conf);
	if (first != argc)
		die(EXIT_PERM, "the only operand is 'check'");
	how.limit = (unsigned)conf.max_sessions * LISTENERS;
	serve_warm(argv, &how);
	tls_read_certificates(&certificates, &conf);
	serve_connections(&keep, &conf);
	if (!engine_start(certificates.engine))
		die_sys(EXIT_TEMP, "cannot get random numbers");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die_sys(EXIT_TEMP, "cannot create a socket pair");
	chan_init(&chan, &room, 0, 1);
	serve_confine(&keep, &conf);
	tls_converse(certificates.engine, stream, &conf);
	return EXIT_OK;
}
