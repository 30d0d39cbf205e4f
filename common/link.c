/* SPDX-License-Identifier: ISC */
/* The client's side of a conversation with a helper. */
#include "link.h"

#include <errno.h>

#include "helper.h"
#include "log.h"

static const char late[] = "no answer in time";
static const char unread[] = "it does not read";

void
link_init(struct link *l, struct chan_room *room, const char *name,
    const struct conf *conf)
{
	*l = (struct link){
		.state = LINK_NEVER,
		.name = name,
		.why = "it could not be reached",
		.patience = conf->helper_timeout * 1000,
		.room = room,
	};
	chan_init(&l->chan, room, -1, -1);
}

void
link_open(struct link *l, struct chan_room *room, const char *name,
    const char *spec, const struct conf *conf)
{
	int fd = helper_open(spec, conf);

	link_init(l, room, name, conf);
	if (fd != -1)
		link_adopt(l, fd);
	else if (name != NULL)
		warn_sys("cannot open %s '%s'", name, spec);
}

void
link_adopt(struct link *l, int fd)
{
	link_close(l);
	chan_init(&l->chan, l->room, fd, fd);
	l->state = LINK_UP;
}

void
link_lose(struct link *l, const char *why)
{
	if (l->state != LINK_UP)
		return;
	if (l->name != NULL)
		warn("%s: %s", l->name, why);
	l->state = LINK_LOST;
	l->why = why;
}

void
link_close(struct link *l)
{
	chan_close(&l->chan);
}

static void
link_lose_by(struct link *l, enum io r, const char *timeout)
{
	switch (r) {
	case IO_OK:
		return;
	case IO_EOF:
		break;
	case IO_TIMEOUT:
		link_lose(l, timeout);
		return;
	case IO_ERROR:
		if (errno == EPROTO)
			link_lose(l, "malformed frame");
		else if (errno != EPIPE && errno != ECONNRESET)
			link_lose(l, strerror(errno));
		break;
	}
	link_lose(l, "it has closed the connection");
}

static instant
link_deadline(const struct link *l)
{
	return l->deadline != 0 ? l->deadline : clock_in(l->patience);
}

void
link_send(struct link *l, char tag, struct span payload)
{
	if (l->state == LINK_UP)
		link_lose_by(l,
		    chan_send(&l->chan, tag, payload, link_deadline(l)),
		    unread);
}

void
link_flush(struct link *l)
{
	if (l->state == LINK_UP && l->chan.out.len > 0)
		link_lose_by(l, chan_flush(&l->chan, link_deadline(l)), unread);
}

void
link_send_fd(struct link *l, char tag, struct span payload, int fd)
{
	if (l->state == LINK_UP)
		link_lose_by(l,
		    chan_send_fd(&l->chan, tag, payload, fd, link_deadline(l)),
		    unread);
}

void
link_attach(struct link *l, int fd)
{
	if (l->state == LINK_UP)
		link_lose_by(l, chan_attach(&l->chan, fd, link_deadline(l)),
		    unread);
}

void
link_send_secret(struct link *l, char tag, struct span payload)
{
	struct outbuf *out = &l->chan.out;
	size_t n = payload.n + FRAME_ROOM - FRAME_MAX;

	link_flush(l);
	link_send(l, tag, payload);
	link_flush(l);
	if (out->fd != -1)
		explicit_bzero(out->buf, n < out->cap ? n : out->cap);
}

int
link_take_fd(struct link *l)
{
	return chan_take_fd(&l->chan);
}

/*
 * Buffered frames are sent before a wait: the helper may need them for its
 * answer. Mostly the answer is here already, and no write is spent.
 */
static enum io
link_receive_now(struct link *l, struct frame *f)
{
	enum io r = chan_fill(&l->chan);

	if (r == IO_OK)
		r = chan_next(&l->chan, f);
	if (r == IO_TIMEOUT)
		link_flush(l);
	return r;
}

/*
 * The rule of link.h: on a lost link a frame that has arrived is still read,
 * but not waited for.
 */
static bool
link_get(struct link *l, struct frame *f, bool expected)
{
	enum io r;

	if (l->chan.in.fd == -1)
		return false;
	r = chan_next(&l->chan, f);
	if (r == IO_TIMEOUT && (expected || l->chan.out.len > 0))
		r = link_receive_now(l, f);
	if (r == IO_TIMEOUT)
		r = chan_recv(&l->chan, f,
		    l->state == LINK_UP ? link_deadline(l) : 0);
	link_lose_by(l, r, late);
	if (r != IO_OK)
		link_close(l);
	return r == IO_OK;
}

bool
link_receive(struct link *l, struct frame *f)
{
	return link_get(l, f, false);
}

bool
link_expect(struct link *l, struct frame *f)
{
	return link_get(l, f, true);
}

/* --- answers ------------------------------------------------------------- */

/* Takes up to max digits, and the character behind them, off *s. */
static bool
link_take_number(struct span *s, size_t max, char end)
{
	size_t n = 0;

	while (n < s->n && n < max && ascii_isdigit(s->p[n]))
		n++;
	if (n == 0 || n == s->n || s->p[n] != end)
		return false;
	*s = span_skip(*s, n + 1);
	return true;
}

static bool
link_is_reply(struct span s, char class)
{
	if (s.n > LINK_REPLY_MAX || s.n < sizeof("450 4.1.1") ||
	    s.p[0] != class || s.p[3] != ' ' || s.p[4] != class)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return link_take_number(&s, 3, ' ') && link_take_number(&s, 1, '.') &&
	    link_take_number(&s, 3, '.') && link_take_number(&s, 3, ' ');
}

bool
link_is_refusal(const struct frame *f)
{
	return (f->tag == 'Z' && link_is_reply(f->payload, '4')) ||
	    (f->tag == 'X' && link_is_reply(f->payload, '5'));
}

/* K is no answer to a question that could not be written whole. */
enum link_answer
link_read(struct link *l, const struct frame *f, struct span *text)
{
	enum link_answer a = LINK_FAILED;

	*text = f->payload;
	if (f->tag == 'K' && l->state == LINK_UP)
		a = LINK_YES;
	else if (link_is_refusal(f))
		a = LINK_REFUSED;
	else
		link_lose(l, "malformed answer");
	if (l->state != LINK_UP)
		link_close(l);
	return a;
}

enum link_answer
link_answer(struct link *l, struct span *text)
{
	struct frame f;

	return link_receive(l, &f) ? link_read(l, &f, text) : LINK_FAILED;
}

enum link_answer
link_ask(struct link *l, char tag, struct span payload, struct span *text)
{
	link_send(l, tag, payload);
	link_flush(l);
	return link_answer(l, text);
}
