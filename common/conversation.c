/* SPDX-License-Identifier: ISC */
/* What all who take messages in frames have in common. */
#include "conversation.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"

#define MARGIN 60 /* seconds */

static void
leave(int sig)
{
	(void)sig;
	_exit(EXIT_OK);
}

void
conversation_catch_term(void)
{
	(void)signal(SIGTERM, leave);
}

void
conversation_hold_term(bool hold)
{
	sigset_t term;

	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &term, NULL);
}

instant
conversation_deadline(const struct conf *conf)
{
	uint64_t s = conf->command_timeout + conf->data_timeout + MARGIN;

	return clock_in(s * 1000);
}

enum io
conversation_next(struct chan *c, struct frame *f, instant deadline)
{
	enum io r = chan_next(c, f);

	if (r != IO_TIMEOUT)
		return r;
	r = chan_flush(c, deadline);
	if (r == IO_OK)
		r = chan_recv(c, f, deadline);
	/* A peer who leaves with words of ours unread: it is his end of file. */
	if (r == IO_ERROR && (errno == ECONNRESET || errno == EPIPE))
		r = IO_EOF;
	return r;
}

int
conversation_end(enum io r)
{
	if (r == IO_EOF)
		return EXIT_OK;
	if (r == IO_TIMEOUT)
		warn("conversation ended: nothing more came");
	else
		warn_sys("conversation ended");
	return EXIT_TEMP;
}
