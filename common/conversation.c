/* SPDX-License-Identifier: ISC */
/* The serving side: signals, deadline, and the frames of an envelope apart. */
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

/* --- the envelope: facts, sender, recipients ------------------------------ */

/* NUL, CR or LF would be a second line, or half a name, to the next program. */
static bool
envelope_is_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	}
	return true;
}

bool
envelope_fact(struct span payload, struct span *name, struct span *value)
{
	size_t equals = span_find(payload, '=');

	if (equals == 0 || equals == payload.n || !envelope_is_text(payload))
		return false;
	for (size_t i = 0; i < equals; i++) {
		char c = payload.p[i];

		if (!ascii_isalnum(c) && c != '-' && c != '_')
			return false;
	}
	*name = span_of(payload.p, equals);
	*value = span_skip(payload, equals + 1);
	return true;
}

static bool
envelope_split(struct span rest, enum address_path kind,
    struct envelope_path *e)
{
	const char *start = rest.p;

	if (!envelope_is_text(rest) ||
	    address_path(&rest, kind, &e->address) != ADDRESS_OK)
		return false;
	e->path = span_of(start, (size_t)(rest.p - start));
	if (rest.n > 0 && rest.p[0] != ' ')
		return false;
	e->params = span_trim(rest);
	return true;
}

bool
envelope_sender(struct span payload, struct envelope_path *e)
{
	e->local = false;
	return envelope_split(payload, ADDRESS_REVERSE, e);
}

bool
envelope_recipient(struct span payload, struct envelope_path *e)
{
	struct span class = span_cut(&payload, ' ');

	e->local = span_eq(class, SPAN("local"));
	if (!e->local && !span_eq(class, SPAN("remote")))
		return false;
	return envelope_split(payload, ADDRESS_FORWARD, e);
}

bool
envelope_take(enum envelope_stage *stage, const struct frame *f,
    struct envelope_part *part)
{
	bool good = false;

	switch (f->tag) {
	case 'C':
		good = *stage <= ENVELOPE_FACTS &&
		    envelope_fact(f->payload, &part->name, &part->value);
		if (good)
			*stage = ENVELOPE_FACTS;
		break;
	case 'S':
		good = *stage == ENVELOPE_FACTS &&
		    envelope_sender(f->payload, &part->path);
		if (good)
			*stage = ENVELOPE_SENDER;
		break;
	case 'R':
		good = (*stage == ENVELOPE_SENDER ||
			   *stage == ENVELOPE_RECIPIENTS) &&
		    envelope_recipient(f->payload, &part->path);
		if (good)
			*stage = ENVELOPE_RECIPIENTS;
		break;
	}
	return good;
}

bool
envelope_marks_junk(const struct frame *f)
{
	return f->tag == 'M' && span_eq(f->payload, SPAN("junk"));
}
