/* SPDX-License-Identifier: ISC */
/* A filter in the injection conversation: its life, whatever it filters. */
#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "confine.h"
#include "conversation.h"
#include "helper.h"
#include "program.h"
#include "serve.h"

#define SPARE 64 /* conversations beside those of sessions */

/* Too large for a stack; touched only as far as used. */
static struct chan up, down;

static const int calls[] = { SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_close,
	SYS_write, SYS_read,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_getpeername, SYS_getsockopt, SYS_writev, SYS_getrandom,
	SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap,
	SYS_madvise, SYS_mprotect, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_restart_syscall, SYS_exit_group };

void
filter_start(struct filter *f, int argc, char *argv[], struct conf *conf)
{
	(void)filter_start_role(f, argc, argv, conf, "");
}

bool
filter_start_role(struct filter *f, int argc, char *argv[], struct conf *conf,
    const char *role)
{
	char usage[64] = "downstream ...";
	bool has_role;
	int at, fd;

	if (*role != '\0')
		(void)snprintf(usage, sizeof(usage), "[%s] downstream ...",
		    role);
	at = program_start(argc, argv, conf, PROGRAM_UNPRIVILEGED, usage);
	has_role = at < argc && *role != '\0' && strcmp(argv[at], role) == 0;
	at += has_role;
	if (at == argc)
		die(EXIT_PERM, "give the program or socket to pass mail on to");
	serve(argv, SERVE_AT_FIRST_BYTE, (unsigned)conf->max_sessions + SPARE);
	conversation_catch_term();
	fd = helper_openv(argv + at, conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot reach '%s'", argv[at]);
	chan_init(&up, 0, 1);
	chan_init(&down, fd, fd);
	*f = (struct filter){ .conf = conf, .up = &up };
	downstream_init(&f->down, &down, conf);
	return has_role;
}

void
filter_confine(const struct conf *conf)
{
	static const struct confine keep = { .calls = calls,
		.ncalls = nitems(calls) };

	if (!confine(&keep, conf))
		die_sys(EXIT_TEMP, "cannot confine");
}

int
filter_run(struct filter *f, filter_take *take, void *context)
{
	struct frame frame;
	bool within = false;
	enum io r;

	do {
		instant deadline = conversation_deadline(f->conf);

		r = conversation_next(f->up, &frame, deadline);
		if (r != IO_OK)
			break;
		if (!within)
			conversation_hold_term(true);
		within = frame.tag != 'E' && frame.tag != 'A';
		r = take(context, &frame, deadline);
		if (within)
			continue;
		/* With A, what has come already may be the next message's. */
		if (frame.tag == 'E')
			conversation_drop_fds(f->up);
		if (r == IO_OK && f->down.lost) {
			errno = EPIPE;
			r = IO_ERROR;
		}
		conversation_hold_term(false);
	} while (r == IO_OK);
	return conversation_end(r);
}

enum io
filter_sender(struct filter *f, const struct frame *frame, instant deadline)
{
	downstream_pass(&f->down, frame->tag, frame->payload);
	if (!downstream_hear_id(&f->down, f->id) && f->id[0] == '\0' &&
	    !queue_id_new(f->id))
		return IO_ERROR;
	return chan_send(f->up, 'I', span_str(f->id), deadline);
}

void
filter_fields(struct filter *f, const struct frame *frame)
{
	static struct forged forged;
	struct span in = frame->payload;
	struct sbuf lines;

	sbuf_init(&lines, FRAME_PAYLOAD_MAX);
	forged_init(&forged, f->conf->hostname);
	while (in.n > 0)
		sbuf_addspan(&lines, forged_push(&forged, &in));
	sbuf_addspan(&lines, forged_finish(&forged));
	if (lines.bad)
		downstream_refuse(&f->down, 'Z', SPAN(LOCAL_ERROR));
	else if (forged.removed == 0 || lines.len > 0)
		downstream_pass(&f->down, frame->tag, sbuf_span(&lines));
	sbuf_free(&lines);
}

enum io
filter_verdict(struct filter *f, instant deadline)
{
	enum io r;

	downstream_hear_verdict(&f->down);
	r = chan_send(f->up, f->down.verdict, downstream_reply(&f->down),
	    deadline);
	return r == IO_OK ? chan_flush(f->up, deadline) : r;
}

void
filter_abandon(struct filter *f)
{
	downstream_pass(&f->down, 'A', SPAN(""));
	downstream_flush(&f->down);
}

void
filter_forget(struct filter *f)
{
	downstream_forget(&f->down);
	f->id[0] = '\0';
}
