/* SPDX-License-Identifier: ISC */
/* The injector: takes messages in frames, commits each to the queue. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "conversation.h"
#include "message.h"
#include "program.h"
#include "serve.h"

#define SPARE 64 /* conversations beside those of sessions */

/* Too large for a stack; touched only as far as used. */
static struct chan chan;
static struct message message;

/* All it ever calls from the first frame on. */
static const int calls[] = { SYS_recvmsg, SYS_sendmsg, SYS_writev, SYS_openat,
	SYS_flock, SYS_fchmod, SYS_fsync, SYS_close, SYS_fstatfs, SYS_getrandom,
	SYS_write, SYS_read, SYS_sendto, SYS_unlinkat, SYS_mkdirat,
	SYS_getpeername, SYS_getsockopt, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap,
	SYS_madvise, SYS_mprotect, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_restart_syscall, SYS_exit_group };

static void
give_up_rights(const struct conf *conf)
{
	const struct confine_path paths[] = {
		{ conf->queue, CONFINE_WRITE },
	};
	const struct confine keep = { .calls = calls,
		.ncalls = nitems(calls),
		.paths = paths,
		.npaths = nitems(paths) };

	if (!confine(&keep, conf))
		die_sys(EXIT_TEMP, "cannot confine");
}

/* The descriptor of a client that may relay; any other only takes room. */
static int
take_peer(const struct frame *f)
{
	bool shown = f->tag == 'C' && span_eq(f->payload, SPAN("peer=socket"));

	return shown ? chan_take_fd(&chan) : -1;
}

static enum io
answer(const struct verdict *v, instant deadline)
{
	enum io r = chan_send(&chan, v->tag, span_str(v->text), deadline);

	return r == IO_OK ? chan_flush(&chan, deadline) : r;
}

/* A client who is gone by now will come again: the message stays queued. */
static enum io
take_frame(const struct frame *f, instant deadline)
{
	struct verdict v;
	enum io r = IO_OK;
	int peer;

	if (f->tag != 'E' && f->tag != 'A') {
		peer = take_peer(f);
		if (message_take(&message, f, peer))
			r = chan_send(&chan, 'I', span_str(message.id),
			    deadline);
		if (peer != -1)
			(void)close(peer);
		return r;
	}
	if (f->tag == 'E') {
		v = message_commit(&message);
		message_log(&message, &v);
		r = answer(&v, deadline);
	}
	message_reset(&message);
	/* With A, what has come already may be the next message's. */
	if (f->tag == 'E')
		conversation_drop_fds(&chan);
	conversation_hold_term(false);
	return r;
}

static int
converse(const struct conf *conf)
{
	struct frame f;
	enum io r;

	do {
		instant deadline = conversation_deadline(conf);

		r = conversation_next(&chan, &f, deadline);
		if (r != IO_OK)
			break;
		if (message.stage == MESSAGE_NONE)
			conversation_hold_term(true);
		r = take_frame(&f, deadline);
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
	enum entrance entrance;
	int at = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "in|user|own");

	if (argc - at != 1 || !entrance_parse(argv[at], &entrance))
		die(EXIT_PERM, "give one entrance: in, user or own");
	serve(argv, SERVE_AT_FIRST_BYTE, (unsigned)conf.max_sessions + SPARE);
	(void)signal(SIGXFSZ, SIG_IGN);
	conversation_catch_term();
	if (!store_open(&store, &conf))
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	message_init(&message, &conf, entrance, &store);
	chan_init(&chan, 0, 1);
	give_up_rights(&conf);
	return converse(&conf);
}
