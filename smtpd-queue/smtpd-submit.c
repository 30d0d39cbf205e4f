/* SPDX-License-Identifier: ISC */
/* The filter for mail of our own users: says who it is from, completes it. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "helper.h"
#include "program.h"
#include "serve.h"
#include "submission.h"

#define MARGIN 60		/* seconds, over what a session may wait */
#define SPARE 64		/* conversations beside those of sessions */

static struct chan up, down;	/* towards the user, towards smtpd-queue */
static struct submission submission;

static const int calls[] = {
	SYS_recvmsg, SYS_sendmsg, SYS_ppoll, SYS_close, SYS_write, SYS_read,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_writev, SYS_getrandom, SYS_clock_gettime, SYS_brk, SYS_mmap,
	SYS_mremap, SYS_munmap, SYS_mprotect, SYS_rt_sigprocmask,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit_group,
};

static void
leave(int sig)
{
	(void)sig;
	_exit(EXIT_OK);
}

static void
hold_sigterm(bool hold)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &term, NULL);
}

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

static enum io
next_frame(struct frame *f, instant deadline)
{
	enum io r = chan_next(&up, f);

	if (r != IO_TIMEOUT)
		return r;
	r = chan_flush(&up, deadline);
	return r == IO_OK ? chan_recv(&up, f, deadline) : r;
}

static void
drop_descriptors(void)
{
	int fd;

	while ((fd = chan_take_fd(&up)) != -1)
		(void)close(fd);
}

static enum exitcode
converse(const struct conf *conf)
{
	uint64_t patience = (conf->command_timeout + conf->data_timeout +
	    MARGIN) * 1000;
	struct frame f;
	enum io r;

	for (;;) {
		instant deadline = clock_in(patience);

		r = next_frame(&f, deadline);
		if (r != IO_OK)
			break;
		if (submission.stage == SUBMISSION_NONE)
			hold_sigterm(true);
		r = submission_take(&submission, &f, deadline);
		drop_descriptors();
		if (r != IO_OK)
			break;
		if (submission.stage == SUBMISSION_NONE)
			hold_sigterm(false);
	}
	if (r == IO_ERROR)
		warn_sys("conversation ended");
	else if (r == IO_TIMEOUT)
		warn("conversation ended: nothing more came");
	return r == IO_EOF ? EXIT_OK : EXIT_TEMP;
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static const struct confine keep = {
		.calls = calls, .ncalls = nitems(calls)
	};
	int at = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "downstream ...");
	int fd;
	uid_t uid;

	if (at == argc)
		die(EXIT_PERM, "give the program or socket to pass mail on to");
	serve(argv, SERVE_AT_FIRST_BYTE, (unsigned)conf.max_sessions + SPARE);
	uid = uid_of_peer();
	(void)signal(SIGTERM, leave);
	fd = helper_openv(argv + at, &conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot reach '%s'", argv[at]);
	chan_init(&up, 0, 1);
	chan_init(&down, fd, fd);
	submission_init(&submission, &conf, uid, &up, &down);
	if (!confine(&keep, &conf))
		die_sys(EXIT_TEMP, "cannot confine");
	return (int)converse(&conf);
}
