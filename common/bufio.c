/* SPDX-License-Identifier: ISC */
/* Buffered descriptors with deadlines, in memory that the caller owns. */
#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "bufio.h"

/*
 * Waits for one of the events. Errors and hang-ups end the wait too; the next
 * call reports them.
 */
static enum io
io_wait(int fd, short events, instant deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int n = poll(&p, 1, clock_left(deadline));

		if (n > 0)
			return IO_OK;
		if (n == 0 && clock_left(deadline) == 0)
			return IO_TIMEOUT;
		if (n == -1 && errno != EINTR)
			return IO_ERROR;
	}
}

enum io
io_wait_readable(int fd, instant deadline)
{
	return io_wait(fd, POLLIN, deadline);
}

enum io
io_wait_writable(int fd, instant deadline)
{
	return io_wait(fd, POLLOUT, deadline);
}

void
inbuf_init(struct inbuf *b, int fd, char *buf, size_t cap)
{
	*b = (struct inbuf){ .fd = fd, .buf = buf, .cap = cap };
}

bool
inbuf_room(struct inbuf *b)
{
	if (b->pos == b->len) {
		b->pos = b->len = 0;
	} else if (b->len == b->cap && b->pos > 0) {
		memmove(b->buf, b->buf + b->pos, b->len - b->pos);
		b->len -= b->pos;
		b->pos = 0;
	}
	return b->len < b->cap;
}

static enum io
inbuf_fill_through(struct inbuf *b, instant deadline)
{
	size_t got = 0;
	enum io r = b->layer->read(b->layer, b->buf + b->len, b->cap - b->len,
	    &got, deadline);

	b->len += got;
	return r;
}

enum io
inbuf_fill(struct inbuf *b, instant deadline)
{
	/* Without a deadline a blocking descriptor waits in read itself. */
	bool wait = deadline != NEVER;

	if (!inbuf_room(b)) {
		errno = ENOBUFS;
		return IO_ERROR;
	}
	if (b->layer != NULL)
		return inbuf_fill_through(b, deadline);
	for (;;) {
		enum io r = wait ? io_wait(b->fd, POLLIN, deadline) : IO_OK;
		ssize_t n;

		if (r != IO_OK)
			return r;
		n = read(b->fd, b->buf + b->len, b->cap - b->len);
		if (n > 0) {
			b->len += (size_t)n;
			return IO_OK;
		}
		if (n == 0)
			return IO_EOF;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			wait = true;
		else if (errno != EINTR)
			return IO_ERROR;
	}
}

void
outbuf_init(struct outbuf *b, int fd, char *buf, size_t cap)
{
	*b = (struct outbuf){ .fd = fd, .buf = buf, .cap = cap };
}

size_t
iov_advance(struct iovec *v, size_t nv, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < nv; i++) {
		size_t take = n < v[i].iov_len ? n : v[i].iov_len;

		if (take > 0)
			v[i].iov_base = (char *)v[i].iov_base + take;
		v[i].iov_len -= take;
		n -= take;
		left += v[i].iov_len;
	}
	return left;
}

union fds_control {
	struct cmsghdr align;
	char mem[CMSG_SPACE(IO_FDS * sizeof(int))];
};

ssize_t
io_send_fds(int sock, struct iovec *v, size_t nv, const int *fds, size_t nfds,
    int flags)
{
	union fds_control u = { .mem = { 0 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = nv };
	struct cmsghdr *h = &u.align;

	if (nfds > 0) {
		m.msg_control = u.mem;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nfds * sizeof(int));
	}
	return sendmsg(sock, &m, flags | MSG_NOSIGNAL);
}

ssize_t
io_recv_fds(int sock, void *p, size_t room, int *fds, size_t *nfds, int flags)
{
	union fds_control u;
	struct iovec v = { .iov_base = p, .iov_len = room };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *h;
	size_t limit = *nfds < IO_FDS ? *nfds : IO_FDS;
	ssize_t n;

	/* CMSG_SPACE would round up, to room for one more than the caller's. */
	if (limit > 0) {
		m.msg_control = u.mem;
		m.msg_controllen = CMSG_LEN(limit * sizeof(int));
	}
	*nfds = 0;
	n = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	h = n == -1 ? NULL : CMSG_FIRSTHDR(&m);
	if (h != NULL && h->cmsg_level == SOL_SOCKET &&
	    h->cmsg_type == SCM_RIGHTS) {
		*nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), *nfds * sizeof(int));
	}
	return n;
}

/*
 * A pipe that polls writable has room for PIPE_BUF octets; more might block
 * beyond the deadline.
 */
static ssize_t
io_write_some(int fd, const struct iovec *v, size_t nv)
{
	while (nv > 1 && v->iov_len == 0) {
		v++;
		nv--;
	}
	return write(fd, v->iov_base,
	    v->iov_len < PIPE_BUF ? v->iov_len : PIPE_BUF);
}

enum io
io_writev(int fd, struct iovec *v, size_t nv, instant deadline)
{
	bool sock = true, wait = false;

	while (iov_advance(v, nv, 0) > 0) {
		enum io r = wait ? io_wait(fd, POLLOUT, deadline) : IO_OK;
		ssize_t n;

		if (r != IO_OK)
			return r;
		n = sock ? io_send_fds(fd, v, nv, NULL, 0, MSG_DONTWAIT) :
			   io_write_some(fd, v, nv);
		if (n >= 0)
			(void)iov_advance(v, nv, (size_t)n);
		else if (errno == ENOTSOCK && sock)
			sock = false;
		else if (errno != EAGAIN && errno != EWOULDBLOCK &&
		    errno != EINTR)
			return IO_ERROR;
		wait = n == -1 || !sock;
	}
	return IO_OK;
}

enum io
io_write(int fd, const void *p, size_t n, instant deadline)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };

	return io_writev(fd, &v, 1, deadline);
}

static enum io
outbuf_write(const struct outbuf *b, struct iovec *v, size_t nv,
    instant deadline)
{
	return b->layer != NULL ? b->layer->writev(b->layer, v, nv, deadline) :
				  io_writev(b->fd, v, nv, deadline);
}

enum io
outbuf_flush(struct outbuf *b, instant deadline)
{
	struct iovec v = { .iov_base = b->buf, .iov_len = b->len };
	enum io r;

	if (b->len == 0)
		return IO_OK;
	r = outbuf_write(b, &v, 1, deadline);
	if (v.iov_len > 0 && v.iov_len < b->len)
		memmove(b->buf, v.iov_base, v.iov_len);
	b->len = v.iov_len;
	return r;
}

enum io
outbuf_add(struct outbuf *b, const void *p, size_t n, instant deadline)
{
	struct iovec v[2] = {
		{ .iov_base = b->buf, .iov_len = b->len },
		{ .iov_base = (void *)(uintptr_t)p, .iov_len = n },
	};

	if (n == 0)
		return IO_OK;
	if (n <= b->cap - b->len) {
		memcpy(b->buf + b->len, p, n);
		b->len += n;
		return IO_OK;
	}
	/* Both in one call: octets that do not fit are never copied. */
	b->len = 0;
	return outbuf_write(b, v, 2, deadline);
}

int
io_close(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
	return -1;
}
