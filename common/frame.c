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

/* Writes "<length>:<tag>"; gives its length. */
static size_t
head(char out[HEAD_MAX], char tag, size_t payload)
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
	sbuf_add(b, h, head(h, tag, payload.n));
	sbuf_addspan(b, payload);
	sbuf_putc(b, ',');
}

void
chan_init(struct chan *c, int rfd, int wfd)
{
	inbuf_init(&c->in, rfd, c->inmem, sizeof(c->inmem));
	outbuf_init(&c->out, wfd, c->outmem, sizeof(c->outmem));
	c->nfds = 0;
	c->attached = -1;
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

/* Sends what it can of the vector in one call; the descriptor goes with it. */
static ssize_t
send_with(int sock, struct iovec *v, size_t nv, int fd)
{
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(sizeof(int))];
	} u = { .mem = { 0 } };
	struct msghdr m = { .msg_iov = v,
		.msg_iovlen = nv,
		.msg_control = u.mem,
		.msg_controllen = sizeof(u.mem) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The same, waiting until it can: the vector then holds what is left. */
static enum io
begin_with(int sock, struct iovec *v, size_t nv, int fd, instant deadline)
{
	ssize_t n;

	while ((n = send_with(sock, v, nv, fd)) == -1) {
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

/* Writes all of it, with the descriptor that is attached. */
static enum io
write_all(struct chan *c, struct iovec *v, size_t nv, instant deadline)
{
	enum io r = IO_OK;

	if (c->attached != -1) {
		r = begin_with(c->out.fd, v, nv, c->attached, deadline);
		if (r == IO_OK)
			c->attached = -1;
	}
	return r == IO_OK ? io_writev(c->out.fd, v, nv, deadline) : r;
}

enum io
chan_send(struct chan *c, char tag, struct span payload, instant deadline)
{
	struct outbuf *o = &c->out;
	char h[HEAD_MAX], comma = ',';
	size_t n;

	if (payload.n > FRAME_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return IO_ERROR;
	}
	n = head(h, tag, payload.n);
	if (n + payload.n + 1 > o->cap - o->len) {
		/* One call for all that waits; the payload is not copied. */
		struct iovec v[] = {
			{ .iov_base = o->buf, .iov_len = o->len },
			{ .iov_base = h, .iov_len = n },
			{ .iov_base = (void *)(uintptr_t)payload.p,
			    .iov_len = payload.n },
			{ .iov_base = &comma, .iov_len = 1 },
		};

		o->len = 0;
		return write_all(c, v, nitems(v), deadline);
	}
	memcpy(o->buf + o->len, h, n);
	o->len += n;
	if (payload.n > 0)
		memcpy(o->buf + o->len, payload.p, payload.n);
	o->len += payload.n;
	o->buf[o->len++] = comma;
	return IO_OK;
}

enum io
chan_send_fd(struct chan *c, char tag, struct span payload, int fd,
    instant deadline)
{
	char h[HEAD_MAX], comma = ',';
	struct iovec v[] = {
		{ .iov_base = h, .iov_len = head(h, tag, payload.n) },
		{ .iov_base = (void *)(uintptr_t)payload.p,
		    .iov_len = payload.n },
		{ .iov_base = &comma, .iov_len = 1 },
	};
	enum io r;

	if (payload.n > FRAME_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return IO_ERROR;
	}
	r = chan_attach(c, fd, deadline);
	return r == IO_OK ? write_all(c, v, nitems(v), deadline) : r;
}

/*
 * What is buffered goes in a call of its own: a reader who takes exactly the
 * frames before this one must not take its descriptor along, unseen.
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
		r = begin_with(o->fd, &v, 1, c->attached, deadline);
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

static void
keep_fds(struct chan *c, struct cmsghdr *h)
{
	size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
		if (c->nfds < CHAN_FDS)
			c->fds[c->nfds++] = fd;
		else
			(void)close(fd);
	}
}

/* The kernel itself closes what finds no place in the control buffer. */
static ssize_t
receive(struct chan *c, int flags)
{
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(CHAN_FDS * sizeof(int))];
	} u;
	struct iovec v = { .iov_base = c->in.buf + c->in.len,
		.iov_len = c->in.cap - c->in.len };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = u.mem,
		.msg_controllen = sizeof(u.mem) };
	ssize_t n = recvmsg(c->in.fd, &m, flags | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h;

	if (n == -1)
		return -1;
	for (h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			keep_fds(c, h);
	return n;
}

/* Reads once; wait is false when there should be something, or we poll. */
static enum io
fill(struct chan *c, bool wait)
{
	struct inbuf *b = &c->in;
	ssize_t n;

	if (!inbuf_room(b))
		return IO_OK; /* whole frames only: take them first */
	do
		n = receive(c, wait ? 0 : MSG_DONTWAIT);
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
	return fill(c, false);
}

enum io
chan_next(struct chan *c, struct frame *f)
{
	size_t used = 0;

	switch (frame_parse(inbuf_view(&c->in), f, &used)) {
	case FRAME_MORE:
		return IO_TIMEOUT;
	case FRAME_READY:
		inbuf_take(&c->in, used);
		return IO_OK;
	case FRAME_BAD:
		break;
	}
	errno = EPROTO;
	return IO_ERROR;
}

enum io
chan_recv(struct chan *c, struct frame *f, instant deadline)
{
	enum io r;

	while ((r = chan_next(c, f)) == IO_TIMEOUT) {
		/* The rest of a frame that has begun is mostly there. */
		bool begun = c->in.pos < c->in.len;

		if (begun || deadline == NEVER)
			r = fill(c, deadline == NEVER);
		if (r == IO_TIMEOUT) {
			r = io_wait_readable(c->in.fd, deadline);
			if (r != IO_OK)
				return r;
			r = fill(c, false);
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
