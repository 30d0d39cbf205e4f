/* SPDX-License-Identifier: ISC */
/* The operator's socket: who connects there, what they say and are told. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "scheduler.h"

#define IDLE_MS 30000   /* for the next order, or to read anything of ours */
#define AGAIN_MS 1000   /* after a failed accept */
#define OUT_FULL 65536  /* octets: an order waits until these are read */
#define OUT_MAX 1048576 /* and one step beyond */

void
control_init(struct sched *s)
{
	struct controls *c = &s->control;

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		c->client[i].chan.in.fd = -1;
	c->uid = geteuid();
	c->fd = sched_socket(s->conf->control, SOCK_STREAM);
	if (c->fd == -1 && s->conf->control[0] != '\0')
		warn_sys("smtpd-ctl cannot be used: cannot create '%s'",
		    s->conf->control);
}

/* --- clients --------------------------------------------------------------------- */

static void
control_end(struct control_client *p)
{
	chan_close(&p->chan);
	order_free(&p->order);
	sbuf_free(&p->out);
}

static void
control_flush(struct sched *s, struct control_client *p)
{
	size_t sent = p->chan.sent, len = p->out.len;
	enum io r;

	if (p->chan.in.fd == -1 || len == 0)
		return;
	r = chan_push(&p->chan, &p->out);
	if (r == IO_ERROR)
		control_end(p);
	else if (r == IO_OK || p->chan.sent > sent)
		p->deadline = s->now + IDLE_MS;
}

static void
control_refuse(struct control_client *p, const char *why)
{
	frame_add(&p->out, 'X', span_str(why));
	p->last = true;
}

static struct control_client *
control_free_client(struct controls *c)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (c->client[i].chan.in.fd == -1)
			return &c->client[i];
	return NULL;
}

/* Root, and whoever may write to the queue anyway. */
static bool
control_may_order(const struct controls *c, int fd, uid_t *uid)
{
	struct ucred u;
	socklen_t n = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == -1)
		return false;
	*uid = u.uid;
	return u.uid == 0 || u.uid == c->uid;
}

static void
control_welcome(struct sched *s, struct control_client *p, int fd)
{
	uid_t uid = 0;

	chan_init_small(&p->chan, fd, p->in, sizeof(p->in));
	p->ended = p->last = false;
	p->deadline = s->now + IDLE_MS;
	sbuf_init(&p->out, OUT_MAX);
	order_init(&p->order);
	if (!control_may_order(&s->control, fd, &uid))
		control_refuse(p, "permission denied");
	p->order.uid = uid;
	(void)snprintf(p->order.who, sizeof(p->order.who), "uid=%u",
	    (unsigned)uid);
}

static void
control_accept(struct sched *s, void *arg)
{
	struct control_client *p = control_free_client(&s->control);
	int fd;

	(void)arg;
	if (p == NULL)
		return;
	fd = accept4(s->control.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1) {
		control_welcome(s, p, fd);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	warn_sys("cannot accept a connection of smtpd-ctl");
	s->control.again = s->now + AGAIN_MS;
}

/* --- what they say ---------------------------------------------------------------- */

/* The login of the one who asks: a word for the log, not a right. */
static void
control_take_name(struct order *o, struct span name)
{
	if (name.n == 0 || name.n > ORDER_WHO_MAX)
		return;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return;
	memcpy(o->who, name.p, name.n);
	o->who[name.n] = '\0';
}

static void
control_take_frame(struct sched *s, struct control_client *p,
    const struct frame *f)
{
	if (f->tag == 'u')
		control_take_name(&p->order, f->payload);
	else if (f->tag == 'O')
		order_begin(s, &p->order, f->payload, &p->out);
	else if (f->tag < 'a')
		control_refuse(p, "malformed request");
}

/* Is it its turn to speak: is all done that it has said? */
static bool
control_listens(const struct control_client *p)
{
	return !p->last && !p->order.active && p->out.len < OUT_FULL;
}

static void
control_take_frames(struct sched *s, struct control_client *p)
{
	struct frame f;
	enum io r = IO_OK;

	while (r == IO_OK && control_listens(p)) {
		r = chan_next(&p->chan, &f);
		if (r == IO_OK)
			control_take_frame(s, p, &f);
		else if (r == IO_ERROR)
			control_refuse(p, "malformed request");
	}
}

static void
control_hear(struct sched *s, struct control_client *p)
{
	switch (chan_fill(&p->chan)) {
	case IO_OK:
		p->deadline = s->now + IDLE_MS;
		break;
	case IO_EOF:
		p->ended = true;
		break;
	case IO_TIMEOUT:
		break;
	case IO_ERROR:
		control_end(p);
		break;
	}
}

/* --- the loop --------------------------------------------------------------------- */

static void
control_ready(struct sched *s, void *arg)
{
	struct control_client *p = arg;

	control_flush(s, p);
	if (p->chan.in.fd != -1 && !p->ended && control_listens(p))
		control_hear(s, p);
}

void
control_watch(struct sched *s, struct watch *w)
{
	struct controls *c = &s->control;

	if (control_free_client(c) != NULL && s->now >= c->again &&
	    !s->stopping)
		watch_add(w, c->fd, POLLIN, control_accept, NULL);
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		struct control_client *p = &c->client[i];
		bool in = !p->ended && control_listens(p);
		bool out = p->out.len > 0;

		if (in || out)
			watch_add(w, p->chan.in.fd,
			    (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)),
			    control_ready, p);
	}
}

/* When it can go on, at once, or has been silent for too long. */
static instant
control_serve(struct sched *s, struct control_client *p)
{
	if (!p->order.active)
		control_take_frames(s, p);
	if (p->order.active && p->out.len < OUT_FULL)
		order_go_on(s, &p->order, &p->out, OUT_FULL);
	if (p->out.bad) {
		control_end(p);
		return NEVER;
	}
	control_flush(s, p);
	if (p->chan.in.fd == -1)
		return NEVER;
	if (p->order.active && p->out.len < OUT_FULL)
		return s->now;
	if (s->now >= p->deadline ||
	    (p->out.len == 0 && !p->order.active && (p->last || p->ended))) {
		control_end(p);
		return NEVER;
	}
	return p->deadline;
}

instant
control_pump(struct sched *s)
{
	instant next = s->control.again > s->now ? s->control.again : NEVER;

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (s->control.client[i].chan.in.fd != -1)
			next = sooner(next,
			    control_serve(s, &s->control.client[i]));
	return next;
}
