/* SPDX-License-Identifier: ISC */
/* Conversations in frames, with deadlines and without a second chance. */
#include <unistd.h>

#include "helper.h"
#include "link.h"
#include "log.h"

void
link_open(struct link *l, struct chan *chan, const char *name,
    const char *spec, const struct conf *conf)
{
	*l = (struct link){
		.fd = helper_open(spec, conf), .name = name, .chan = chan,
		.patience = conf->helper_timeout * 1000,
	};
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
		chan_close(l->chan);
	else if (l->fd != -1)
		(void)close(l->fd);
	l->fd = -1;
}

static bool
is_up(struct link *l)
{
	if (l->state != LINK_UP)
		return false;
	if (!l->begun)
		chan_init(l->chan, l->fd, l->fd);
	l->begun = true;
	return true;
}

static void
sent(struct link *l, enum io r)
{
	if (r != IO_OK)
		link_lose(l, r == IO_TIMEOUT ? "does not read" :
		    "cannot be written to");
}

void
link_send(struct link *l, char tag, struct span payload)
{
	if (is_up(l))
		sent(l, chan_send(l->chan, tag, payload,
		    clock_in(l->patience)));
}

void
link_send_fd(struct link *l, char tag, struct span payload, int fd)
{
	if (is_up(l))
		sent(l, chan_send_fd(l->chan, tag, payload, fd,
		    clock_in(l->patience)));
}

void
link_flush(struct link *l)
{
	if (is_up(l))
		sent(l, chan_flush(l->chan, clock_in(l->patience)));
}

bool
link_receive(struct link *l, struct frame *f)
{
	enum io r;

	if (l->fd == -1 || !l->begun)
		return false;
	r = chan_recv(l->chan, f,
	    l->state == LINK_UP ? clock_in(l->patience) : 0);
	if (r != IO_OK)
		link_lose(l, r == IO_TIMEOUT ? "no answer in time" :
		    r == IO_EOF ? "closed without an answer" :
		    "the conversation broke");
	return r == IO_OK;
}
