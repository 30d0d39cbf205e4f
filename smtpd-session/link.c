/* SPDX-License-Identifier: ISC */
/* Conversations in frames, with deadlines and without a second chance. */
#include <unistd.h>

#include "helper.h"
#include "link.h"
#include "log.h"

static const char unread[] = "does not read";

void
link_init(struct link *l, struct chan_room *room, const char *name,
    const struct conf *conf)
{
	*l = (struct link){
		.state = LINK_NEVER,
		.fd = -1,
		.name = name,
		.room = room,
		.patience = conf->helper_timeout * 1000,
	};
}

/* A path alone is dialled without a touch of the heap. */
static int
dial(const char *spec, const struct conf *conf)
{
	char *words[] = { (char *)(uintptr_t)spec, NULL };

	return strpbrk(spec, " \t") == NULL ? helper_openv(words, conf) :
					      helper_open(spec, conf);
}

void
link_open(struct link *l, struct chan_room *room, const char *name,
    const char *spec, const struct conf *conf)
{
	link_init(l, room, name, conf);
	l->fd = dial(spec, conf);
	l->state = l->fd == -1 ? LINK_NEVER : LINK_UP;
	if (l->fd == -1)
		warn_sys("cannot open %s '%s'", name, spec);
}

void
link_lose(struct link *l, const char *why)
{
	if (l->state == LINK_UP)
		warn("%s: %s", l->name, why);
	l->state = LINK_LOST;
}

void
link_close(struct link *l)
{
	if (l->begun)
		chan_close(&l->chan);
	else if (l->fd != -1)
		(void)close(l->fd);
	l->fd = -1;
}

void
link_adopt(struct link *l, int fd)
{
	link_close(l);
	l->fd = fd;
	l->begun = false;
	l->state = LINK_UP;
}

static bool
is_up(struct link *l)
{
	if (l->state != LINK_UP)
		return false;
	if (!l->begun)
		chan_init(&l->chan, l->room, l->fd, l->fd);
	l->begun = true;
	return true;
}

static void
lose_by(struct link *l, enum io r, const char *late)
{
	switch (r) {
	case IO_OK:
		break;
	case IO_EOF:
		link_lose(l, "has closed");
		break;
	case IO_TIMEOUT:
		link_lose(l, late);
		break;
	case IO_ERROR:
		link_lose(l, "the conversation broke");
		break;
	}
}

void
link_send(struct link *l, char tag, struct span payload)
{
	instant deadline = clock_in(l->patience);

	if (is_up(l))
		lose_by(l, chan_send(&l->chan, tag, payload, deadline), unread);
}

void
link_send_fd(struct link *l, char tag, struct span payload, int fd)
{
	instant deadline = clock_in(l->patience);

	if (is_up(l))
		lose_by(l, chan_send_fd(&l->chan, tag, payload, fd, deadline),
		    unread);
}

void
link_attach(struct link *l, int fd)
{
	if (is_up(l))
		lose_by(l, chan_attach(&l->chan, fd, clock_in(l->patience)),
		    unread);
}

/* A chan that was not begun holds nothing, and is not to be touched. */
void
link_flush(struct link *l)
{
	if (l->begun && is_up(l))
		lose_by(l, chan_flush(&l->chan, clock_in(l->patience)), unread);
}

void
link_send_secret(struct link *l, char tag, struct span payload)
{
	size_t n = payload.n + FRAME_ROOM - FRAME_MAX;

	link_flush(l);
	link_send(l, tag, payload);
	link_flush(l);
	if (l->begun)
		explicit_bzero(l->chan.out.buf,
		    n < sizeof(l->chan.out.buf) ? n : l->chan.out.cap);
}

int
link_take_fd(struct link *l)
{
	return l->begun ? chan_take_fd(&l->chan) : -1;
}

/*
 * Nothing is waited for while something waits to be sent: the helper may need
 * it first. Mostly the answer is there already, and no write is spent.
 */
static enum io
receive_now(struct link *l, struct frame *f)
{
	enum io r = chan_fill(&l->chan);

	if (r == IO_OK)
		r = chan_next(&l->chan, f);
	if (r == IO_TIMEOUT)
		link_flush(l);
	return r;
}

static bool
receive(struct link *l, struct frame *f, bool expected)
{
	instant deadline = is_up(l) ? clock_in(l->patience) : 0;
	enum io r;

	if (l->fd == -1 || !l->begun)
		return false;
	r = chan_next(&l->chan, f);
	if (r == IO_TIMEOUT && (expected || l->chan.out.len > 0))
		r = receive_now(l, f);
	if (r == IO_TIMEOUT)
		r = chan_recv(&l->chan, f, deadline);
	lose_by(l, r, "no answer in time");
	return r == IO_OK;
}

bool
link_receive(struct link *l, struct frame *f)
{
	return receive(l, f, false);
}

bool
link_expect(struct link *l, struct frame *f)
{
	return receive(l, f, true);
}
