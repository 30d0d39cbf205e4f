/* SPDX-License-Identifier: ISC */
/* The injector: takes messages in frames, commits each to the queue. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conversation.h"
#include "message.h"
#include "program.h"
#include "serve.h"

#define SPARE 64 /* conversations beside those of sessions */

/* Too large for a stack; touched only as far as used. */
static struct chan chan;
static struct chan_room room;
static struct message message;
static struct advice advice;

/* --- who the client is ----------------------------------------------------- */

/*
 * The kernel knows who connected. A pipe comes from the process that started
 * us. A peer without a uid is from a network: this entrance is not for it.
 */
static uid_t
uid_of_peer(void)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);

	if (getsockopt(0, SOL_SOCKET, SO_PEERCRED, &who, &n) == -1) {
		if (errno == ENOTSOCK)
			return getuid();
		die_sys(EXIT_TEMP, "cannot tell who the client is");
	}
	if (who.uid == (uid_t)-1)
		die(EXIT_PERM, "the client is no local user");
	return who.uid;
}

/*
 * The first frame at the entrance of smtpd-auth says who the user is. It was
 * there before anybody else had the connection, and is the only one that
 * counts.
 */
static void
meet_user(const struct conf *conf)
{
	uint64_t patience = conf->helper_timeout * 1000;
	struct span name, value;
	struct frame f;

	if (chan_recv(&chan, &f, clock_in(patience)) != IO_OK || f.tag != 'C' ||
	    !envelope_fact(f.payload, &name, &value) ||
	    !span_eq(name, SPAN("user")) || value.n == 0)
		die(EXIT_PERM, "it was not said which user this is");
	sbuf_addspan(&message.who, f.payload);
	if (message.who.bad)
		die(EXIT_PERM, "the name of the user is too long");
}

static void
meet_client(const struct conf *conf, enum entrance entrance)
{
	if (entrance == ENTRANCE_AUTH)
		meet_user(conf);
	if (entrance == ENTRANCE_USER)
		sbuf_addf(&message.who, "uid=%lu",
		    (unsigned long)uid_of_peer());
}

/* --- the conversation ------------------------------------------------------- */

/* What a client has to know before it sends anything. */
static bool
hello(void *context, struct sbuf *frame)
{
	frame_add(frame, 'W', advice_asks(context) ? SPAN("ask") : SPAN(""));
	return true;
}

/* The client's socket, if it shows it; any other descriptor takes room only. */
static int
take_peer(const struct frame *f)
{
	bool shown = f->tag == 'C' && span_eq(f->payload, SPAN("peer=socket"));

	return shown ? chan_take_fd(&chan) : -1;
}

static enum io
say(char tag, const char *text, instant deadline)
{
	return chan_send(&chan, tag, span_str(text), deadline);
}

/* A client that is gone by now will come again: the message stays queued. */
static enum io
end_message(instant deadline)
{
	struct verdict v = message_commit(&message);
	enum io r;

	message_log(&message, &v);
	r = say(v.tag, v.text, deadline);
	if (r == IO_OK)
		r = chan_flush(&chan, deadline);
	if (!message_next(&message))
		r = IO_ERROR;
	conversation_hold_term(false);
	return r;
}

static void
take_other(const struct frame *f)
{
	int peer = take_peer(f);

	message_take(&message, f, peer);
	if (peer != -1)
		(void)close(peer);
}

static enum io
take_frame(const struct frame *f, instant deadline)
{
	struct verdict v;

	switch (f->tag) {
	case 'E':
		return end_message(deadline);
	case 'A':
		/* What has come already may be the next message's. */
		if (!message_next(&message))
			return IO_ERROR;
		conversation_hold_term(false);
		return IO_OK;
	case 'Q':
		v = message_ask(&message);
		return say(v.tag, v.text, deadline);
	default:
		take_other(f);
		return IO_OK;
	}
}

/* The next frame. The advisers hear what is known before we wait for more. */
static enum io
next(struct frame *f, instant deadline)
{
	enum io r = chan_next(&chan, f);

	if (r != IO_TIMEOUT)
		return r;
	advice_flush(&advice);
	return conversation_next(&chan, f, deadline);
}

/*
 * An adviser that broke is dialled again for a new conversation only: so this
 * one ends, when no message is under way.
 */
static int
converse(const struct conf *conf)
{
	struct frame f;
	enum io r;

	do {
		instant deadline = conversation_deadline(conf);

		r = next(&f, deadline);
		if (r != IO_OK)
			break;
		if (message.stage == MESSAGE_NONE && f.tag != 'Q')
			conversation_hold_term(true);
		r = take_frame(&f, deadline);
		if (r == IO_OK && f.tag == 'E' && advice_is_broken(&advice))
			return EXIT_TEMP;
	} while (r == IO_OK);
	if (r == IO_EOF && message.stage != MESSAGE_NONE)
		warn("conversation ended before commit");
	message_reset(&message);
	return conversation_end(r);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct store store;
	const char *why = NULL;
	struct confine keep = {
		.calls = { SYS_openat, SYS_flock, SYS_fchmod, SYS_fsync,
		    SYS_fstatfs, SYS_getrandom, SYS_unlinkat, SYS_mkdirat,
		    SYS_faccessat, SYS_memfd_create, SYS_fcntl, SYS_getpeername,
		    SYS_getsockopt, SYS_getuid },
		.dials = true,
	};
	struct serve_how how = {
		.start = SERVE_AT_FIRST_BYTE, .hello = hello, .context = &advice
	};
	enum entrance entrance;
	int at = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "in|relay|user|auth|own [NAME:RIGHTS:HELPER ...]");

	if (at == argc || !entrance_parse(argv[at], &entrance))
		die(EXIT_PERM,
		    "give an entrance: in, relay, user, auth or own");
	if (!advice_init(&advice, &conf, argv + at + 1, &why))
		die(EXIT_PERM, "%s", why);
	how.limit = (unsigned)conf.max_sessions + SPARE;
	how.execs = advice_execs(&advice);
	serve_warm(argv, &how);
	(void)signal(SIGXFSZ, SIG_IGN);
	serve_reads(conf.queue);
	if (!store_open(&store, &conf))
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	keep.paths[0] = (struct confine_path){ conf.queue, CONFINE_WRITE };
	serve_connections(&keep, &conf);
	conversation_catch_term();
	store_dial(&store, &conf);
	advice_dial(&advice);
	chan_init(&chan, &room, 0, 1);
	if (!message_init(&message, &conf, entrance, &store, &advice))
		die_sys(EXIT_TEMP, "no randomness for an id");
	serve_confine(&keep, &conf);
	meet_client(&conf, entrance);
	return converse(&conf);
}
