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
 * A layer between a buffer and its descriptor, such as TLS: its two calls
 * replace those on the descriptor. read gives at least one octet; writev takes
 * all (on failure the vector holds the rest). Both wait until the deadline.
 */
struct io_layer {
	enum io (*read)(struct io_layer *, void *, size_t room, size_t *got,
	    instant deadline);
	enum io (*writev)(struct io_layer *, struct iovec *, size_t n,
	    instant deadline);
};

/* Input: buf[pos..len) has been read, and not taken yet. */
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

/* Makes room behind the untaken octets; false if they fill the buffer. */
bool inbuf_room(struct inbuf *) MUST_CHECK;

/*
 * Waits for at least one more octet and reads all that have arrived. A full
 * buffer is IO_ERROR with ENOBUFS. Works on blocking and non-blocking
 * descriptors.
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
 * Adds octets; writes if the buffer would overflow. After anything but IO_OK an
 * unknown part has been written, and the stream is useless.
 */
enum io outbuf_add(struct outbuf *, const void *, size_t,
    instant deadline) MUST_CHECK;

/* Writes all. After IO_TIMEOUT the rest is kept; a later flush continues. */
enum io outbuf_flush(struct outbuf *, instant deadline) MUST_CHECK;

/*
 * Writes all of it, waiting for room until the deadline. EPIPE and the like are
 * IO_ERROR. The caller ignores SIGPIPE.
 */
enum io io_write(int fd, const void *, size_t, instant deadline) MUST_CHECK;

/* The same for a vector, which then holds what was not written. */
enum io io_writev(int fd, struct iovec *, size_t n,
    instant deadline) MUST_CHECK;

/*
 * One sendmsg or recvmsg on a UNIX socket, with at most IO_FDS descriptors. All
 * descriptors that travel between processes go through these two. Sending never
 * raises SIGPIPE. For receiving, *nfds is the room in fds, and then the number
 * received, close-on-exec; the kernel closes those that do not fit.
 */
#define IO_FDS 8
ssize_t io_send_fds(int sock, struct iovec *, size_t nv, const int *fds,
    size_t nfds, int flags) MUST_CHECK;
ssize_t io_recv_fds(int sock, void *, size_t room, int *fds, size_t *nfds,
    int flags) MUST_CHECK;

/* Takes n octets off the front of a vector; returns how many are left. */
size_t iov_advance(struct iovec *, size_t nv, size_t n);

/* Closes fd and returns -1; errno stays. */
int io_close(int fd);

/* Waits until fd can be read (or is at its end), or be written. */
enum io io_wait_readable(int fd, instant deadline) MUST_CHECK;
enum io io_wait_writable(int fd, instant deadline) MUST_CHECK;

#endif
