/* SPDX-License-Identifier: ISC */
/* Buffered descriptors with deadlines, in memory that the caller owns. */
#ifndef BUFIO_H
#define BUFIO_H

#include <sys/uio.h>

#include "clock.h"
#include "span.h"

enum io {
	IO_OK,
	IO_EOF,     /* the peer is done */
	IO_TIMEOUT, /* the deadline came first */
	IO_ERROR,   /* errno says */
};

/*
 * What may lie between a buffer and its descriptor, as TLS does: the two calls
 * that are made in its place. read gives at least one octet, writev takes all
 * (the vector then holds what was not written); both wait until the deadline.
 */
struct io_layer {
	enum io (*read)(struct io_layer *, void *, size_t room, size_t *got,
	    instant deadline);
	enum io (*writev)(struct io_layer *, struct iovec *, size_t n,
	    instant deadline);
};

/* Input: buf[pos..len) has been read and not been taken. */
struct inbuf {
	int fd;
	struct io_layer *layer; /* NULL: the descriptor itself */
	char *buf;
	size_t cap, pos, len;
};

void inbuf_init(struct inbuf *, int fd, char *buf, size_t cap);

static inline struct span
inbuf_view(const struct inbuf *b)
{
	return (struct span){ b->buf + b->pos, b->len - b->pos };
}

static inline void
inbuf_take(struct inbuf *b, size_t n)
{
	b->pos += n;
}

/* Makes room behind what is unread; false when the buffer is full of it. */
bool inbuf_room(struct inbuf *) MUST_CHECK;

/*
 * Waits until at least one more octet is there and reads what is there.
 * Moves what is unread to the front when there is no room behind it; a full
 * buffer is IO_ERROR with ENOBUFS. Works on blocking and other descriptors.
 */
enum io inbuf_fill(struct inbuf *, instant deadline) MUST_CHECK;

/* Output: buf[0..len) is still to be written. */
struct outbuf {
	int fd;
	struct io_layer *layer; /* NULL: the descriptor itself */
	char *buf;
	size_t cap, len;
};

void outbuf_init(struct outbuf *, int fd, char *buf, size_t cap);

/*
 * Adds octets, writing when the buffer would overflow. After anything but
 * IO_OK an unknown part has been written and the stream is of no more use.
 */
enum io outbuf_add(struct outbuf *, const void *, size_t,
    instant deadline) MUST_CHECK;

/* Writes all. After IO_TIMEOUT the rest is kept, and a later flush goes on. */
enum io outbuf_flush(struct outbuf *, instant deadline) MUST_CHECK;

/*
 * Writes all of it, waiting for room until the deadline: EPIPE and the like
 * are IO_ERROR. SIGPIPE is the caller's to ignore.
 */
enum io io_write(int fd, const void *, size_t, instant deadline) MUST_CHECK;

/* The same for a vector, which then holds what was not written. */
enum io io_writev(int fd, struct iovec *, size_t n,
    instant deadline) MUST_CHECK;

/*
 * One sendmsg or recvmsg on a UNIX socket, with descriptors: all that is passed
 * between processes goes through these two. At most IO_FDS at once. Sending
 * never raises SIGPIPE. Receiving, *nfds is the room in fds and then how many
 * came, close-on-exec; the kernel closes those that found no room.
 */
#define IO_FDS 8
ssize_t io_send_fds(int sock, struct iovec *, size_t nv, const int *fds,
    size_t nfds, int flags) MUST_CHECK;
ssize_t io_recv_fds(int sock, void *, size_t room, int *fds, size_t *nfds,
    int flags) MUST_CHECK;

/* Takes octets off the front of a vector; gives how many it still holds. */
size_t iov_advance(struct iovec *, size_t nv, size_t n);

/* Waits until fd is readable (or at its end). */
enum io io_wait_readable(int fd, instant deadline) MUST_CHECK;
enum io io_wait_writable(int fd, instant deadline) MUST_CHECK;

#endif
