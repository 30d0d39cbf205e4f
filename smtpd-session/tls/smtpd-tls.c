/* SPDX-License-Identifier: ISC */
/* smtpd-tls: has the key, and speaks TLS with a session's client. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "frame.h"
#include "program.h"
#include "proxy.h"
#include "serve.h"

/*
 * Each of the three profiles may have a listener for IPv4 and one for IPv6,
 * with max_sessions each: one kind must not take the other's place here.
 */
#define LISTENERS 6

#define TEXT_ROOM 8192
#define REPLY_ROOM (TEXT_ROOM + sizeof("454 4.7.0 "))
#define CHECK_ROOM (1024 * 1024)

/* With the key in memory: what it takes to carry octets, and no more. */

static void
warn_lines(struct span lines)
{
	while (lines.n > 0) {
		struct span line = span_cut(&lines, '\n');

		warn("%.*s", (int)line.n, line.p);
	}
}

/* The certificates, or NULL and a reply that says why there are none. */
static struct engine *
load(const struct conf *conf, bool thorough, struct sbuf *no)
{
	struct sbuf why, notes;
	struct engine *e;

	sbuf_init(&why, TEXT_ROOM);
	sbuf_init(&notes, TEXT_ROOM);
	e = engine_load(conf, thorough, &why, &notes);
	if (e == NULL)
		sbuf_addf(no, "454 4.7.0 %s", why.s);
	else
		warn_lines(sbuf_span(&notes));
	sbuf_free(&why);
	sbuf_free(&notes);
	return e;
}

/* --- whether TLS can be had --------------------------------------------- */

/* The certificates, read once; or the reply that says why there are none. */
struct certificates {
	struct engine *engine;
	struct sbuf no;
};

static void
read_certificates(struct certificates *c, const struct conf *conf)
{
	files_are_read(conf->tls_cert);
	files_are_read(conf->tls_key);
	sbuf_init(&c->no, REPLY_ROOM);
	c->engine = load(conf, true, &c->no);
	if (c->engine == NULL)
		warn("no TLS is offered: %s", c->no.s + sizeof("454 4.7.0"));
	/* From here on the keys are in memory. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Whether TLS can be had, as each new connection is told at once. */
static bool
ready(void *context, struct sbuf *hello)
{
	struct certificates *c = context;

	frame_add(hello, c->engine != NULL ? 'K' : 'Z', sbuf_span(&c->no));
	return c->engine != NULL;
}

static int
check(const struct conf *conf)
{
	struct sbuf text;
	struct engine *e;

	sbuf_init(&text, CHECK_ROOM);
	e = load(conf, true, &text);
	if (e != NULL) {
		engine_describe(e, &text);
		engine_free(e);
	} else {
		die(EXIT_PERM, "%s", text.s + sizeof("454 4.7.0"));
	}
	if (io_write(1, text.s, text.len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
	return EXIT_OK;
}

/* --- one connection ---------------------------------------------------- */

static struct chan chan;

_Noreturn static void
answer(char tag, struct span text, instant deadline)
{
	bool sent = chan_send(&chan, tag, text, deadline) == IO_OK &&
	    chan_flush(&chan, deadline) == IO_OK;

	exit(sent ? EXIT_OK : EXIT_TEMP);
}

/* The client's socket, or -1: the end. */
static int
await_client(instant deadline)
{
	struct frame f;
	enum io r = chan_recv(&chan, &f, deadline);
	int client;

	if (r == IO_EOF)
		return -1;
	client = r == IO_OK ? chan_take_fd(&chan) : -1;
	if (r != IO_OK || f.tag != 'T' || client == -1)
		answer('X', SPAN("554 5.5.1 That is no request for TLS"),
		    deadline);
	return client;
}

static void
tell(const struct engine *e, int stream, instant deadline)
{
	const struct engine_facts f = engine_facts(e);
	const char *const facts[][2] = {
		{ "protocol=", f.protocol },
		{ "cipher=", f.cipher },
		{ "name=", f.name },
	};

	for (size_t i = 0; i < nitems(facts); i++) {
		char mem[512];
		struct sbuf b = {
			.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
		};

		sbuf_adds(&b, facts[i][0]);
		sbuf_adds(&b, facts[i][1]);
		if (chan_send(&chan, 'C', sbuf_span(&b), deadline) != IO_OK)
			exit(EXIT_TEMP);
	}
	if (chan_send_fd(&chan, 'K', SPAN(""), stream, deadline) != IO_OK)
		exit(EXIT_TEMP);
}

static void
converse(struct engine *e, const int stream[2], const struct conf *conf)
{
	uint64_t patience = conf->helper_timeout * 1000;
	struct proxy p = {
		.engine = e,
		.session = -1,
		.patience = conf->command_timeout * 1000,
	};
	char mem[256];
	struct sbuf no = { .s = mem, .cap = sizeof(mem), .max = 255 };
	const char *error;

	p.client = await_client(NEVER);
	if (p.client == -1)
		return;
	error = proxy_handshake(&p, clock_in(conf->tls_timeout * 1000));
	if (error != NULL) {
		sbuf_addf(&no, "454 4.7.0 TLS handshake failed: %s", error);
		answer('Z', sbuf_span(&no), clock_in(patience));
	}
	tell(e, stream[1], clock_in(patience));
	(void)close(stream[1]);
	chan_close(&chan);
	p.session = stream[0];
	proxy_run(&p);
}

int
main(int argc, char *argv[])
{
	static const struct confine keep = { .calls = { SYS_socketpair } };
	static struct conf conf;
	static struct certificates certificates;
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE,
		.hello = ready,
		.context = &certificates };
	int stream[2],
	    first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
		"[check]");

	if (first + 1 == argc && strcmp(argv[first], "check") == 0)
		return check(&conf);
	if (first != argc)
		die(EXIT_PERM, "the only operand is check");
	how.limit = (unsigned)conf.max_sessions * LISTENERS;
	serve_warm(argv, &how);
	read_certificates(&certificates, &conf);
	serve_connections(&keep, &conf);
	if (!engine_start(certificates.engine))
		die_sys(EXIT_TEMP, "no random numbers");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die_sys(EXIT_TEMP, "cannot make a stream");
	chan_init(&chan, 0, 1);
	serve_confine(&keep, &conf);
	converse(certificates.engine, stream, &conf);
	return EXIT_OK;
}
