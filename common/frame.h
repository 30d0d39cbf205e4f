/* SPDX-License-Identifier: ISC */
/* The one framing of the chain: netstrings whose first octet is a tag. */
#ifndef FRAME_H
#define FRAME_H

#include "bufio.h"
#include "sbuf.h"

/*
 *	<length>:<tag><payload>,
 *
 * The length is decimal without leading zeros and counts tag and payload,
 * 1 to FRAME_MAX. The tag is a letter: an upper-case one must be understood,
 * a lower-case one may be ignored.
 */
#define FRAME_MAX 65536
#define FRAME_PAYLOAD_MAX (FRAME_MAX - 1)
#define FRAME_ROOM (FRAME_MAX + sizeof("65536:,") - 1) /* one on the wire */

struct frame {
	char tag;
	struct span payload;
};

enum frame_event { FRAME_MORE, FRAME_READY, FRAME_BAD };

/*
 * Looks for one whole frame at the start of in: READY sets *f (a view into
 * in) and *used, the octets it takes; MORE: it is not all there yet; BAD: it
 * never will be. No input or output, nothing kept.
 */
enum frame_event frame_parse(struct span in, struct frame *f, size_t *used);

/* Appends one frame. */
void frame_add(struct sbuf *, char tag, struct span payload);

/*
 * Sends one short frame now, without waiting: a first or a last word. False
 * with errno when the socket did not take all of it.
 */
bool frame_say(int sock, char tag, struct span payload);

/*
 * A conversation in frames, on buffers of its owner. Reads and writes one
 * descriptor (a socket), or two (pipes, in tests). Descriptors may travel with
 * a frame on a UNIX socket. Fields: in.fd, out.fd; the rest is frame.c's.
 */
#define CHAN_FDS IO_FDS /* received descriptors that may wait */

struct chan {
	struct inbuf in;
	struct outbuf out;
	int fds[CHAN_FDS];
	unsigned nfds, fds_max;
	int attached; /* goes with the next write; -1: none */
	size_t sent;  /* octets of chan_push's buffer */
};

/*
 * Room for the longest frame in both directions: about 130 KiB, touched only
 * as far as used: keep it static.
 */
struct chan_room {
	char in[FRAME_ROOM];
	char out[FRAME_ROOM];
};

void chan_init(struct chan *, struct chan_room *, int rfd, int wfd);

/*
 * For poll loops with many conversations: an input buffer as large as the
 * longest frame that makes sense here (a longer one is malformed), no output
 * buffer (chan_push), and descriptors that come are closed unseen.
 */
void chan_init_small(struct chan *, int fd, char *in, size_t room);

/* Closes the descriptors (one or two, and those received and not taken). */
void chan_close(struct chan *);

/*
 * Sends one frame: buffered until chan_flush, or until the buffer is full.
 * A payload over FRAME_PAYLOAD_MAX is IO_ERROR with EMSGSIZE.
 */
enum io chan_send(struct chan *, char tag, struct span payload,
    instant deadline) MUST_CHECK;

/*
 * The same with a descriptor, which stays the caller's; flushes before and
 * after. It arrives no later than its frame, maybe with the one before.
 */
enum io chan_send_fd(struct chan *, char tag, struct span payload, int fd,
    instant deadline) MUST_CHECK;

/*
 * Attaches a descriptor to what is sent from now on: it goes with the write
 * that takes the first octet of that, so it costs none, and arrives no later
 * than the frame that means it. Flushes what is buffered before. It stays the
 * caller's, who keeps it open until then; one at a time.
 */
enum io chan_attach(struct chan *, int fd, instant deadline) MUST_CHECK;
enum io chan_flush(struct chan *, instant deadline) MUST_CHECK;

/*
 * For poll loops, whose frames wait in a buffer that grows (frame_add): sends
 * what the socket takes now, with the descriptor that is attached. IO_OK: it
 * has taken all, and out is empty; IO_TIMEOUT: it has room for no more, call
 * again on POLLOUT. More frames may be added meanwhile.
 */
enum io chan_push(struct chan *, struct sbuf *out) MUST_CHECK;

/*
 * The next frame; *f is a view that stays valid until the next chan_recv or
 * chan_fill. Does not flush. A malformed frame, or end of file inside one, is
 * IO_ERROR with EPROTO. Descriptors are received close-on-exec; those over
 * CHAN_FDS are closed.
 */
enum io chan_recv(struct chan *, struct frame *f, instant deadline) MUST_CHECK;

/*
 * For poll loops: chan_fill reads once without waiting (IO_TIMEOUT: nothing
 * there); chan_next gives what is whole of it (IO_TIMEOUT: no whole frame).
 */
enum io chan_fill(struct chan *) MUST_CHECK;
enum io chan_next(struct chan *, struct frame *f) MUST_CHECK;

/*
 * Reads and gives one frame without waiting, as both of them, and leaves what
 * follows it, octets and descriptors, in the socket for another process.
 */
enum io chan_next_alone(struct chan *, struct frame *f) MUST_CHECK;

/* Are there octets that chan_next has not given? */
static inline bool
chan_pending(const struct chan *c)
{
	return c->in.pos < c->in.len;
}

/* The oldest descriptor received and not yet taken, now the caller's, or -1. */
int chan_take_fd(struct chan *);

#endif
