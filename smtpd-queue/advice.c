/* SPDX-License-Identifier: ISC */
/* The advisers of an entrance: who they are, what they hear, what they say. */
#include "advice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper.h"
#include "log.h"

/* Large; touched only as far as used. */
static struct chan chans[ADVICE_MAX];
static struct chan_room rooms[ADVICE_MAX];

/* Takes "NAME:RIGHTS:HELPER" apart; gives what is wrong with it, or NULL. */
static const char *
parse(struct adviser *a, const char *operand)
{
	struct span helper = span_str(operand);
	struct span name = span_cut(&helper, ':');
	struct span words = span_cut(&helper, ':');

	if (name.n == 0 || helper.n == 0 || helper.p[0] != '/')
		return "an adviser is NAME:RIGHTS:HELPER";
	if (!changes_rights(words, &a->rights))
		return "rights are delete, put, top, mark, refuse and ask, "
		       "with commas between";
	a->helper = helper.p; /* to the end of the operand */
	a->fd = -1;
	a->name = strndup(name.p, name.n);
	return a->name == NULL ? "no memory" : NULL;
}

bool
advice_init(struct advice *all, const struct conf *conf, char *const operands[],
    const char **why)
{
	*all = (struct advice){ .conf = conf };
	changes_init(&all->changes);
	for (; *operands != NULL; operands++) {
		if (all->n == ADVICE_MAX) {
			*why = "too many advisers";
			return false;
		}
		*why = parse(&all->of[all->n++], *operands);
		if (*why != NULL)
			return false;
	}
	return true;
}

bool
advice_execs(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (helper_is_command(all->of[i].helper))
			return true;
	return false;
}

static bool
wants(const struct adviser *a)
{
	return (a->rights & CHANGES_ASK) != 0;
}

bool
advice_asks(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (wants(&all->of[i]))
			return true;
	return false;
}

void
advice_dial(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		struct adviser *a = &all->of[i];

		a->fd = helper_open(a->helper, all->conf);
		a->chan = &chans[i];
		if (a->fd == -1)
			warn_sys("cannot reach the adviser %s '%s'", a->name,
			    a->helper);
		else
			chan_init(a->chan, &rooms[i], a->fd, a->fd);
	}
}

void
advice_begin(struct advice *all)
{
	all->deadline = 0;
	all->reply[0] = '\0';
	for (unsigned i = 0; i < all->n; i++) {
		struct adviser *a = &all->of[i];

		a->heard = a->junk = false;
		a->deleted = a->put = a->top = 0;
	}
}

/* Half of what our client has: the commit needs the rest. */
static instant
in_time(const struct advice *all)
{
	return clock_in(all->conf->helper_timeout * 1000 / 2);
}

/*
 * Nobody waits for the envelope: whoever does not read it loses its own time,
 * however slow the client is.
 */
static instant
patience(const struct advice *all)
{
	return all->deadline != 0 ? all->deadline : in_time(all);
}

/* Of that, smtpd-judge has no more than its setting gives it. */
static instant
patience_with(struct advice *all, const struct adviser *a)
{
	instant whole = patience(all), own;

	if (strcmp(a->name, "judge") != 0)
		return whole;
	own = clock_in(all->conf->judge_timeout * 1000);
	return own < whole ? own : whole;
}

/* It is told no more; its connection is closed. */
static enum advice_verdict
lose(struct advice *all, struct adviser *a, const char *why)
{
	all->why = why;
	if (a->fd != -1)
		chan_close(a->chan);
	a->fd = -1;
	return ADVICE_NONE;
}

static const char *
reason(enum io r)
{
	switch (r) {
	case IO_OK:
	case IO_EOF:
		return "it has gone";
	case IO_TIMEOUT:
		return "no answer in time";
	case IO_ERROR:
		break;
	}
	return errno == EPROTO ? "a malformed frame" : "it has gone";
}

static void
tell(struct advice *all, struct adviser *a, char tag, struct span payload)
{
	enum io r;

	if (a->fd == -1)
		return;
	r = chan_send(a->chan, tag, payload, patience(all));
	a->heard = true;
	if (r != IO_OK)
		(void)lose(all, a, reason(r));
}

void
advice_tell(struct advice *all, char tag, struct span payload)
{
	for (unsigned i = 0; i < all->n; i++)
		tell(all, &all->of[i], tag, payload);
}

static void
flush(struct advice *all, struct adviser *a)
{
	enum io r;

	if (a->fd == -1 || a->chan->out.len == 0)
		return;
	r = chan_flush(a->chan, patience(all));
	if (r != IO_OK)
		(void)lose(all, a, reason(r));
}

void
advice_flush(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		flush(all, &all->of[i]);
}

static bool
is_reply(struct span s, char class)
{
	if (s.n < 4 || s.p[0] != class || !ascii_isdigit(s.p[1]) ||
	    !ascii_isdigit(s.p[2]) || s.p[3] != ' ')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* Z or X. What is no reply of that kind is no answer. */
static enum advice_verdict
heed(struct advice *all, struct adviser *a, const struct frame *f)
{
	bool later = f->tag == 'Z';

	if (!later && (a->rights & CHANGES_REFUSE) == 0)
		return lose(all, a, "it may not refuse mail");
	if (f->payload.n >= sizeof(all->reply) ||
	    !is_reply(f->payload, later ? '4' : '5'))
		return lose(all, a, "a verdict without a reply");
	memcpy(all->reply, f->payload.p, f->payload.n);
	all->reply[f->payload.n] = '\0';
	return later ? ADVICE_LATER : ADVICE_REFUSE;
}

/* Reads answers up to the verdict; before it may come changes. */
static enum advice_verdict
answers(struct advice *all, struct adviser *a, bool changes)
{
	struct frame f;
	enum io r;

	while ((r = chan_recv(a->chan, &f, patience(all))) == IO_OK) {
		if (f.tag == 'K')
			return ADVICE_PASS;
		if (f.tag == 'Z' || f.tag == 'X')
			return heed(all, a, &f);
		if (!changes)
			return lose(all, a, "a frame that is no answer");
		if (!changes_take(&all->changes, &f))
			return lose(all, a, all->changes.why);
	}
	return lose(all, a, reason(r));
}

static enum advice_verdict
ask(struct advice *all, struct adviser *a)
{
	if (a->fd == -1)
		return lose(all, a, "it has gone");
	tell(all, a, 'Q', SPAN(""));
	flush(all, a);
	return a->fd == -1 ? ADVICE_NONE : answers(all, a, false);
}

enum advice_verdict
advice_ask(struct advice *all, struct adviser **by)
{
	enum advice_verdict v = ADVICE_PASS;

	all->deadline = in_time(all);
	for (unsigned i = 0; i < all->n && v == ADVICE_PASS; i++) {
		*by = &all->of[i];
		if (wants(*by))
			v = ask(all, *by);
	}
	for (unsigned i = 0; i < all->n && v != ADVICE_PASS; i++)
		if (&all->of[i] != *by)
			tell(all, &all->of[i], 'F', SPAN(""));
	all->deadline = 0;
	return v;
}

/* What stands on top so far, then the text itself. */
static void
pose(struct advice *all, struct adviser *a, int text, uint64_t length,
    struct span frames)
{
	char number[24];
	struct frame f;
	size_t used;
	enum io r;

	if (a->fd == -1)
		return;
	r = chan_attach(a->chan, text, patience(all));
	if (r != IO_OK) {
		(void)lose(all, a, reason(r));
		return;
	}
	while (frame_parse(frames, &f, &used) == FRAME_READY) {
		frames = span_skip(frames, used);
		if (f.tag == 'H' || f.tag == 'M')
			tell(all, a, f.tag, f.payload);
	}
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)length);
	tell(all, a, 'E', span_str(number));
	flush(all, a);
}

enum advice_verdict
advice_hear(struct advice *all, struct adviser *a, struct draft *text,
    struct span frames)
{
	instant whole = patience(all);
	enum advice_verdict v;
	int fd;

	if (all->deadline == 0)
		all->deadline = in_time(all);
	if (a->fd == -1)
		return lose(all, a, "it has gone");
	fd = draft_reader(text);
	if (fd == -1)
		return lose(all, a, strerror(errno));
	changes_reset(&all->changes, a->rights, text->length);
	all->deadline = patience_with(all, a);
	pose(all, a, fd, text->length, frames);
	a->heard = false;
	v = a->fd == -1 ? ADVICE_NONE : answers(all, a, true);
	all->deadline = whole;
	if (v == ADVICE_PASS) {
		a->deleted = all->changes.deleted;
		a->put = all->changes.put;
		a->top = all->changes.top;
		a->junk = all->changes.junk;
	}
	return v;
}

void
advice_abandon(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->of[i].heard)
			tell(all, &all->of[i], 'A', SPAN(""));
		all->of[i].heard = false;
	}
	advice_flush(all);
}

bool
advice_is_broken(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (all->of[i].fd == -1)
			return true;
	return false;
}
