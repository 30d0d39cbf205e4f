/* SPDX-License-Identifier: ISC */
/* The one framing of the chain: netstrings whose first octet is a tag. */
#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "frame.h"

#define DIGITS_MAX 5 /* of FRAME_MAX */
#define HEAD_MAX (DIGITS_MAX + 2)

enum frame_event
frame_parse(struct span in, struct frame *f, size_t *used)
{
	size_t length = 0, i = 0;

	while (i < in.n && i < DIGITS_MAX && ascii_isdigit(in.p[i]))
		length = length * 10 + (size_t)(in.p[i++] - '0');
	if (i > 0 && in.p[0] == '0')
		return FRAME_BAD;
	if (length > FRAME_MAX)
		return FRAME_BAD;
	if (i == in.n)
		return FRAME_MORE;
	if (i == 0 || in.p[i++] != ':')
		return FRAME_BAD;
	if (i < in.n && !ascii_isalpha(in.p[i]))
		return FRAME_BAD;
	if (in.n - i <= length)
		return FRAME_MORE;
	if (in.p[i + length] != ',')
		return FRAME_BAD;
	f->tag = in.p[i];
	f->payload = span_of(in.p + i + 1, length - 1);
	*used = i + length + 1;
	return FRAME_READY;
}

/* Writes "<length>:<tag>"; returns its length. */
static size_t
frame_head(char out[HEAD_MAX], char tag, size_t payload)
{
	size_t n = 1, i;

	for (size_t v = payload + 1; v >= 10; v /= 10)
		n++;
	i = n;
	for (size_t v = payload + 1; i > 0; v /= 10)
		out[--i] = (char)('0' + v % 10);
	out[n] = ':';
	out[n + 1] = tag;
	return n + 2;
}

void
frame_add(struct sbuf *b, char tag, struct span payload)
{
	char h[HEAD_MAX];

	if (payload.n > FRAME_PAYLOAD_MAX) {
		b->bad = true;
		return;
	}
	sbuf_add(b, h, frame_head(h, tag, payload.n));
	sbuf_addspan(b, payload);
	sbuf_putc(b, ',');
}

/* The same as a vector, around the payload where it is. */
struct frame_vector {
	struct iovec v[3];
	char head[HEAD_MAX];
};

static bool
frame_vector(struct frame_vector *f, char tag, struct span payload)
{
	if (payload.n > FRAME_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return false;
	}
	f->v[0] = (struct iovec){ f->head,
		frame_head(f->head, tag, payload.n) };
	f->v[1] = (struct iovec){ (void *)(uintptr_t)payload.p, payload.n };
	f->v[2] = (struct iovec){ (void *)(uintptr_t) ",", 1 };
	return true;
}

bool
frame_say(int sock, char tag, struct span payload)
{
	struct frame_vector f;

	return frame_vector(&f, tag, payload) &&
	    io_send_fds(sock, f.v, nitems(f.v), NULL, 0, MSG_DONTWAIT) ==
	    (ssize_t)(f.v[0].iov_len + payload.n + 1);
}

void
chan_init(struct chan *c, struct chan_room *room, int rfd, int wfd)
{
	inbuf_init(&c->in, rfd, room->in, sizeof(room->in));
	outbuf_init(&c->out, wfd, room->out, sizeof(room->out));
	c->nfds = 0;
	c->fds_max = CHAN_FDS;
	c->attached = -1;
	c->sent = 0;
}

void
chan_init_small(struct chan *c, int fd, char *in, size_t room)
{
	inbuf_init(&c->in, fd, in, room);
	outbuf_init(&c->out, fd, NULL, 0);
	c->nfds = c->fds_max = 0;
	c->attached = -1;
	c->sent = 0;
}

void
chan_close(struct chan *c)
{
	int fd;

	while ((fd = chan_take_fd(c)) != -1)
		(void)close(fd);
	if (c->in.fd != -1)
		(void)close(c->in.fd);
	if (c->out.fd != -1 && c->out.fd != c->in.fd)
		(void)close(c->out.fd);
	c->in.fd = c->out.fd = -1;
}

/*
 * Sends the descriptor with as much of the vector as one call takes, waiting
 * until it takes some. The vector then holds the rest.
 */
static enum io
chan_write_first(int sock, struct iovec *v, size_t nv, int fd, instant deadline)
{
	ssize_t n;

	while ((n = io_send_fds(sock, v, nv, &fd, 1, MSG_DONTWAIT)) == -1) {
		enum io r = IO_OK;

		if (errno == EAGAIN || errno == EWOULDBLOCK)
			r = io_wait_writable(sock, deadline);
		else if (errno != EINTR)
			r = IO_ERROR;
		if (r != IO_OK)
			return r;
	}
	(void)iov_advance(v, nv, (size_t)n);
	return IO_OK;
}

/* Writes all of it, with the attached descriptor. */
static enum io
chan_write(struct chan *c, struct iovec *v, size_t nv, instant deadline)
{
	enum io r = IO_OK;

	if (c->attached != -1) {
		r = chan_write_first(c->out.fd, v, nv, c->attached, deadline);
		if (r == IO_OK)
			c->attached = -1;
	}
	return r == IO_OK ? io_writev(c->out.fd, v, nv, deadline) : r;
}

enum io
chan_send(struct chan *c, char tag, struct span payload, instant deadline)
{
	struct outbuf *o = &c->out;
	struct frame_vector f;
	size_t n;

	if (!frame_vector(&f, tag, payload))
		return IO_ERROR;
	n = f.v[0].iov_len;
	if (n + payload.n + 1 > o->cap - o->len) {
		/* One call for all that waits; the payload is not copied. */
		struct iovec v[] = {
			{ .iov_base = o->buf, .iov_len = o->len },
			f.v[0],
			f.v[1],
			f.v[2],
		};

		o->len = 0;
		return chan_write(c, v, nitems(v), deadline);
	}
	memcpy(o->buf + o->len, f.head, n);
	o->len += n;
	if (payload.n > 0)
		memcpy(o->buf + o->len, payload.p, payload.n);
	o->len += payload.n;
	o->buf[o->len++] = ',';
	return IO_OK;
}

enum io
chan_send_fd(struct chan *c, char tag, struct span payload, int fd,
    instant deadline)
{
	struct frame_vector f;
	enum io r;

	if (!frame_vector(&f, tag, payload))
		return IO_ERROR;
	r = chan_attach(c, fd, deadline);
	return r == IO_OK ? chan_write(c, f.v, nitems(f.v), deadline) : r;
}

enum io
chan_push(struct chan *c, struct sbuf *out)
{
	while (!out->bad && c->sent < out->len) {
		struct iovec v = { .iov_base = out->s + c->sent,
			.iov_len = out->len - c->sent };
		ssize_t n = io_send_fds(c->out.fd, &v, 1, &c->attached,
		    c->attached == -1 ? 0 : 1, MSG_DONTWAIT);

		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return IO_TIMEOUT;
		if (n == -1 && errno != EINTR)
			return IO_ERROR;
		if (n > 0) {
			c->attached = -1;
			c->sent += (size_t)n;
		}
	}
	if (out->bad) {
		errno = ENOMEM;
		return IO_ERROR;
	}
	sbuf_reset(out);
	c->sent = 0;
	return IO_OK;
}

/*
 * The buffered frames go in a call of their own: a reader that takes exactly
 * those must not take the descriptor along.
 */
enum io
chan_attach(struct chan *c, int fd, instant deadline)
{
	enum io r = chan_flush(c, deadline);

	if (r == IO_OK)
		c->attached = fd;
	return r;
}

enum io
chan_flush(struct chan *c, instant deadline)
{
	struct outbuf *o = &c->out;
	struct iovec v = { .iov_base = o->buf, .iov_len = o->len };
	enum io r = IO_OK;

	if (c->attached != -1 && o->len > 0) {
		r = chan_write_first(o->fd, &v, 1, c->attached, deadline);
		if (r != IO_OK)
			return r;
		c->attached = -1;
		memmove(o->buf, v.iov_base, v.iov_len);
		o->len = v.iov_len;
	}
	return outbuf_flush(o, deadline);
}

int
chan_take_fd(struct chan *c)
{
	int fd;

	if (c->nfds == 0)
		return -1;
	fd = c->fds[0];
	c->nfds--;
	memmove(c->fds, c->fds + 1, c->nfds * sizeof(c->fds[0]));
	return fd;
}

static ssize_t
chan_read(struct chan *c, int flags)
{
	size_t n = c->fds_max - c->nfds;
	ssize_t r = io_recv_fds(c->in.fd, c->in.buf + c->in.len,
	    c->in.cap - c->in.len, c->fds + c->nfds, &n, flags);

	c->nfds += (unsigned)n;
	return r;
}

/* Reads once. Without wait, IO_TIMEOUT says that nothing was there. */
static enum io
chan_fill_or_wait(struct chan *c, bool wait)
{
	struct inbuf *b = &c->in;
	ssize_t n;

	if (!inbuf_room(b))
		return IO_OK; /* whole frames only: take them first */
	do
		n = chan_read(c, wait ? 0 : MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == ENOTSOCK)
		return inbuf_fill(b, wait ? NEVER : 0);
	if (n > 0)
		b->len += (size_t)n;
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IO_TIMEOUT;
	return n > 0 ? IO_OK : n == 0 ? IO_EOF : IO_ERROR;
}

enum io
chan_fill(struct chan *c)
{
	return chan_fill_or_wait(c, false);
}

enum io
chan_next(struct chan *c, struct frame *f)
{
	size_t used = 0;

	switch (frame_parse(inbuf_view(&c->in), f, &used)) {
	case FRAME_MORE:
		if (c->in.len - c->in.pos < c->in.cap)
			return IO_TIMEOUT;
		break; /* it will never fit */
	case FRAME_READY:
		inbuf_take(&c->in, used);
		return IO_OK;
	case FRAME_BAD:
		break;
	}
	errno = EPROTO;
	return IO_ERROR;
}

/*
 * Looks first, and takes no octet beyond this frame. The beginning of a frame
 * is taken: left in the socket, it would wake us again at once.
 */
enum io
chan_next_alone(struct chan *c, struct frame *f)
{
	struct inbuf *b = &c->in;
	size_t used = 0, had;
	ssize_t n;

	if (!inbuf_room(b))
		return chan_next(c, f);
	had = b->len;
	n = recv(b->fd, b->buf + had, b->cap - had, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return IO_TIMEOUT;
	if (n <= 0)
		return n == 0 ? IO_EOF : IO_ERROR;
	b->len += (size_t)n;
	if (frame_parse(inbuf_view(b), f, &used) == FRAME_READY)
		b->len = b->pos + used;
	if (recv(b->fd, b->buf + had, b->len - had, MSG_DONTWAIT) !=
	    (ssize_t)(b->len - had))
		return IO_ERROR;
	return chan_next(c, f);
}

enum io
chan_recv(struct chan *c, struct frame *f, instant deadline)
{
	enum io r;

	while ((r = chan_next(c, f)) == IO_TIMEOUT) {
		/* The rest of a frame has mostly arrived with its beginning. */
		bool begun = c->in.pos < c->in.len;

		if (begun || deadline == NEVER)
			r = chan_fill_or_wait(c, deadline == NEVER);
		if (r == IO_TIMEOUT) {
			r = io_wait_readable(c->in.fd, deadline);
			if (r != IO_OK)
				return r;
			r = chan_fill_or_wait(c, false);
		}
		if (r == IO_EOF && begun) {
			errno = EPROTO;
			return IO_ERROR;
		}
		if (r != IO_OK && r != IO_TIMEOUT)
			return r;
	}
	return r;
}
