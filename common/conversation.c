/* SPDX-License-Identifier: ISC */
/* The serving side of a conversation in frames, on descriptors 0 and 1. */
#include "conversation.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"

#define SPARE 64  /* conversations of an entrance beside those of sessions */
#define MARGIN 60 /* seconds */

unsigned
conversation_limit(const struct conf *conf, unsigned entrances)
{
	return entrances * ((unsigned)conf->max_sessions + SPARE);
}

static void
conversation_leave(int sig)
{
	(void)sig;
	_exit(EXIT_OK);
}

void
conversation_catch_term(void)
{
	(void)signal(SIGTERM, conversation_leave);
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
	if (r == IO_ERROR && (errno == ECONNRESET || errno == EPIPE))
		r = IO_EOF;
	return r;
}

enum io
conversation_answer(struct chan *c, char tag, struct span payload,
    instant deadline)
{
	enum io r = chan_send(c, tag, payload, deadline);

	return r == IO_OK ? chan_flush(c, deadline) : r;
}

int
conversation_end(enum io r)
{
	if (r == IO_EOF)
		return EXIT_OK;
	if (r == IO_TIMEOUT)
		die(EXIT_TEMP, "the client sent nothing more in time");
	die_sys(EXIT_TEMP, "the conversation broke off");
}
