/* SPDX-License-Identifier: ISC */
/* The filter for mail of our own users: says who it is from, completes it. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "conversation.h"
#include "helper.h"
#include "program.h"
#include "serve.h"
#include "submission.h"

#define SPARE 64 /* conversations beside those of sessions */

static struct chan up, down; /* towards the user, towards smtpd-queue */
static struct submission submission;

static const int calls[] = { SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_close,
	SYS_write, SYS_read,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_writev, SYS_getrandom, SYS_clock_gettime, SYS_brk, SYS_mmap,
	SYS_mremap, SYS_munmap, SYS_mprotect, SYS_rt_sigprocmask,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group };

/*
 * The kernel knows who connected. Whoever gave us a pipe is who started us.
 * A peer without a uid is from a network: this entrance is not for him.
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

static int
converse(const struct conf *conf)
{
	struct frame f;
	enum io r;

	do {
		instant deadline = conversation_deadline(conf);

		r = conversation_next(&up, &f, deadline);
		if (r != IO_OK)
			break;
		if (submission.stage == SUBMISSION_NONE)
			conversation_hold_term(true);
		r = submission_take(&submission, &f, deadline);
		conversation_drop_fds(&up);
		if (submission.stage == SUBMISSION_NONE)
			conversation_hold_term(false);
	} while (r == IO_OK);
	return conversation_end(r);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static const struct confine keep = { .calls = calls,
		.ncalls = nitems(calls) };
	int at = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "downstream ...");
	int fd;
	uid_t uid;

	if (at == argc)
		die(EXIT_PERM, "give the program or socket to pass mail on to");
	serve(argv, SERVE_AT_FIRST_BYTE, (unsigned)conf.max_sessions + SPARE);
	uid = uid_of_peer();
	conversation_catch_term();
	fd = helper_openv(argv + at, &conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot reach '%s'", argv[at]);
	chan_init(&up, 0, 1);
	chan_init(&down, fd, fd);
	submission_init(&submission, &conf, uid, &up, &down);
	if (!confine(&keep, &conf))
		die_sys(EXIT_TEMP, "cannot confine");
	return converse(&conf);
}
