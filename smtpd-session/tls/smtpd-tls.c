/* SPDX-License-Identifier: ISC */
/* smtpd-tls: has the key, and speaks TLS with a session's client. */
#include <sys/socket.h>
#include <sys/syscall.h>

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "confine.h"
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
static const int calls[] = {
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_ppoll,
	SYS_read,
	SYS_write,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_shutdown,
	SYS_close,
	SYS_clock_gettime,
	SYS_brk,
	SYS_mmap,
	SYS_munmap,
	SYS_madvise,
	SYS_restart_syscall,
	SYS_exit_group,
};

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

/* --- the listener ------------------------------------------------------ */

/* What the listener knows of the files. */
struct knowledge {
	struct conf *conf;
	uint64_t conf_stamp, stamp;
	struct sbuf no; /* the reply when there is no TLS; else empty */
};

static bool
reload(struct conf *conf, struct sbuf *no)
{
	struct conf fresh;
	struct sbuf why;
	bool good;

	conf_init(&fresh);
	fresh.args = conf->args;
	fresh.nargs = conf->nargs;
	sbuf_init(&why, TEXT_ROOM);
	good = program_load(&fresh, &why) == EXIT_OK;
	if (good) {
		conf_free(conf);
		*conf = fresh;
	} else {
		conf_free(&fresh);
		sbuf_addf(no, "454 4.7.0 %s", why.s);
	}
	sbuf_free(&why);
	return good;
}

static void
look_again(struct knowledge *k)
{
	uint64_t now = files_conf_stamp(k->conf);
	bool changed = now != k->conf_stamp;
	struct engine *e;

	k->conf_stamp = now;
	sbuf_reset(&k->no);
	if (changed && !reload(k->conf, &k->no))
		return;
	k->stamp = files_stamp(k->conf);
	e = load(k->conf, true, &k->no);
	if (e != NULL)
		engine_free(e);
}

/*
 * Whether TLS can be had, as each new connection is told at once. The files
 * are read again only when they have changed.
 */
static bool
ready(void *context, struct sbuf *hello)
{
	struct knowledge *k = context;
	bool good;

	if (files_conf_stamp(k->conf) != k->conf_stamp ||
	    files_stamp(k->conf) != k->stamp) {
		look_again(k);
		if (k->no.len > 0)
			warn("no TLS is offered: %s",
			    k->no.s + sizeof("454 4.7.0"));
	}
	good = k->no.len == 0;
	frame_add(hello, good ? 'K' : 'Z', sbuf_span(&k->no));
	return good;
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

static void
say(char tag, struct span text, instant deadline)
{
	if (chan_send(&chan, tag, text, deadline) != IO_OK ||
	    chan_flush(&chan, deadline) != IO_OK)
		exit(EXIT_TEMP);
}

/*
 * A listener has said whether we can, and started us when it was answered;
 * as a command we say it ourselves, and nobody speaks before.
 */
static bool
was_greeted(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
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
	const struct confine confinement = { .calls = calls,
		.ncalls = nitems(calls) };
	static struct conf conf;
	static struct knowledge knowledge;
	struct engine *e;
	struct sbuf no;
	bool greeted;
	int stream[2],
	    first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
		"[check]");

	if (first + 1 == argc && strcmp(argv[first], "check") == 0)
		return check(&conf);
	if (first != argc)
		die(EXIT_PERM, "the only operand is check");
	knowledge.conf = &conf;
	sbuf_init(&knowledge.no, REPLY_ROOM);
	serve_hello(argv, (unsigned)conf.max_sessions * LISTENERS, ready,
	    &knowledge);
	chan_init(&chan, 0, 1);
	greeted = was_greeted();
	sbuf_init(&no, REPLY_ROOM);
	e = load(&conf, !greeted, &no);
	if (e == NULL)
		answer('Z', sbuf_span(&no),
		    clock_in(conf.helper_timeout * 1000));
	if (!engine_start(e))
		die_sys(EXIT_TEMP, "no random numbers");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die_sys(EXIT_TEMP, "cannot make a stream");
	if (!confine(&confinement, &conf))
		die_sys(EXIT_TEMP, "cannot confine itself");
	if (!greeted)
		say('K', SPAN(""), clock_in(conf.helper_timeout * 1000));
	converse(e, stream, &conf);
	return EXIT_OK;
}
