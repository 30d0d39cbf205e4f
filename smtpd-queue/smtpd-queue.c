/* SPDX-License-Identifier: ISC */
/* The injector: takes messages in frames, commits each to the queue. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conversation.h"
#include "entrance.h"
#include "program.h"
#include "queue-message.h"
#include "serve.h"

/* Too large for the stack; touched only as far as used. */
static struct chan chan;
static struct chan_room room;
static struct message message;
static struct advice advice;

/* --- who the client is ----------------------------------------------------- */

/*
 * The kernel knows who connected. A pipe comes from the process that started
 * us. A peer without a uid is on a network and may not use this entrance.
 */
static uid_t
uid_of_peer(void)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);

	if (getsockopt(0, SOL_SOCKET, SO_PEERCRED, &who, &n) == -1) {
		if (errno == ENOTSOCK)
			return getuid();
		die_sys(EXIT_TEMP, "cannot get the client's uid");
	}
	if (who.uid == (uid_t)-1)
		die(EXIT_PERM, "the client is not a local user");
	return who.uid;
}

/*
 * At the entrance of smtpd-auth the first frame names the user. smtpd-auth
 * wrote it before it passed the connection on, and only this one counts.
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
		die(EXIT_PERM, "the first frame does not name the user");
	sbuf_addspan(&message.who, f.payload);
	if (message.who.bad)
		die(EXIT_PERM, "the user's name is too long");
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
queue_greet(void *context, struct sbuf *frame)
{
	frame_add(frame, 'W', advice_asks(context) ? SPAN("ask") : SPAN(""));
	return true;
}

/* If the client is gone by now it will come again: the message stays queued. */
static enum io
end_message(instant deadline)
{
	struct verdict v = message_commit(&message);
	enum io r;

	message_log(&message, &v);
	r = conversation_answer(&chan, v.tag, span_str(v.text), deadline);
	if (!message_next(&message))
		r = IO_ERROR;
	conversation_hold_term(false);
	return r;
}

/* The client may show its socket; any other descriptor only takes room. */
static void
take_part(const struct frame *f)
{
	bool shown = f->tag == 'C' && span_eq(f->payload, SPAN("peer=socket"));
	int peer = shown ? chan_take_fd(&chan) : -1;

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
		return chan_send(&chan, v.tag, span_str(v.text), deadline);
	default:
		take_part(f);
		return IO_OK;
	}
}

/* The advisers hear what is known before we wait for more. */
static enum io
next_frame(struct frame *f, instant deadline)
{
	enum io r = chan_next(&chan, f);

	if (r != IO_TIMEOUT)
		return r;
	advice_flush(&advice);
	return conversation_next(&chan, f, deadline);
}

/*
 * A broken adviser is dialled again for a new conversation only, so this one
 * ends as soon as no message is under way.
 */
static int
serve_client(const struct conf *conf)
{
	struct frame f;
	enum io r;

	do {
		instant deadline = conversation_deadline(conf);

		r = next_frame(&f, deadline);
		if (r != IO_OK)
			break;
		if (message.stage == ENVELOPE_NONE && f.tag != 'Q')
			conversation_hold_term(true);
		r = take_frame(&f, deadline);
		if (r == IO_OK && f.tag == 'E' && advice_is_broken(&advice))
			return EXIT_TEMP;
	} while (r == IO_OK);
	if (r == IO_EOF && message.stage != ENVELOPE_NONE)
		warn("conversation ended before commit");
	message_reset(&message);
	return conversation_end(r);
}

/* The entrance, and its advisers. */
static enum entrance
read_operands(char *const operands[], const struct conf *conf)
{
	const char *why = NULL;
	enum entrance entrance;

	if (operands[0] == NULL || !entrance_parse(operands[0], &entrance))
		die(EXIT_PERM,
		    "name an entrance: in, relay, user, auth or own");
	if (!advice_init(&advice, conf, operands + 1, &why))
		die(EXIT_PERM, "%s", why);
	return entrance;
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct store store;
	struct confine keep = {
		.calls = { SYS_openat, SYS_flock, SYS_fchmod, SYS_fsync,
		    SYS_fstatfs, SYS_getrandom, SYS_unlinkat, SYS_mkdirat,
		    SYS_faccessat, SYS_memfd_create, SYS_fcntl, SYS_getpeername,
		    SYS_getsockopt, SYS_getuid },
		.dials = true,
	};
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE,
		.hello = queue_greet,
		.context = &advice };
	enum entrance entrance;
	int at = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "in|relay|user|auth|own [NAME:RIGHTS:HELPER ...]");

	entrance = read_operands(argv + at, &conf);
	how.limit = conversation_limit(&conf, 1);
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
		die_sys(EXIT_TEMP, "cannot get random bytes for an id");
	serve_confine(&keep, &conf);
	meet_client(&conf, entrance);
	return serve_client(&conf);
}
