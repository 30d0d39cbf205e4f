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
 * Looks for a whole frame at the start of in. READY sets *f (a view into in)
 * and *used, its length with the framing. MORE: the frame is not complete yet.
 * BAD: it is malformed.
 */
enum frame_event frame_parse(struct span in, struct frame *f, size_t *used);

/* Appends one frame. */
void frame_add(struct sbuf *, char tag, struct span payload);

/*
 * Sends one short frame at once, without waiting: a first or a last word. False
 * with errno if the socket did not take all of it.
 */
bool frame_say(int sock, char tag, struct span payload);

/*
 * A conversation in frames, on buffers of its owner. It reads and writes one
 * descriptor (a socket), or two (pipes, in tests). Descriptors may travel with
 * a frame on a UNIX socket. Callers may use in.fd and out.fd.
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
 * Room for the longest frame in both directions: about 130 KiB, of which memory
 * is used only as far as frames fill it. Keep it static.
 */
struct chan_room {
	char in[FRAME_ROOM];
	char out[FRAME_ROOM];
};

void chan_init(struct chan *, struct chan_room *, int rfd, int wfd);

/*
 * For poll loops with many conversations. The input buffer is as large as the
 * longest frame that makes sense here; a longer one is malformed. There is no
 * output buffer (see chan_push). Descriptors that arrive are closed.
 */
void chan_init_small(struct chan *, int fd, char *in, size_t room);

/* Closes its descriptors, and those that were received and not taken. */
void chan_close(struct chan *);

/*
 * Sends one frame. It is buffered until chan_flush, or until the buffer is
 * full. A payload over FRAME_PAYLOAD_MAX is IO_ERROR with EMSGSIZE.
 */
enum io chan_send(struct chan *, char tag, struct span payload,
    instant deadline) MUST_CHECK;

/*
 * The same with a descriptor, which stays the caller's; flushes before and
 * after. It arrives with its frame or the one before.
 */
enum io chan_send_fd(struct chan *, char tag, struct span payload, int fd,
    instant deadline) MUST_CHECK;

/*
 * Attaches a descriptor to the next frames: it goes with the write of their
 * first octet, so that it costs no write of its own, and arrives no later than
 * the frame that means it. Frames buffered so far are flushed first. The
 * descriptor stays the caller's, and must stay open until it has gone. One at a
 * time.
 */
enum io chan_attach(struct chan *, int fd, instant deadline) MUST_CHECK;
enum io chan_flush(struct chan *, instant deadline) MUST_CHECK;

/*
 * For poll loops, whose frames wait in a buffer that grows (frame_add). Sends
 * as much as the socket takes now, with the attached descriptor. IO_OK: all is
 * sent, and out is empty. IO_TIMEOUT: the socket is full; call again on
 * POLLOUT. More frames may be added meanwhile.
 */
enum io chan_push(struct chan *, struct sbuf *out) MUST_CHECK;

/*
 * Waits for the next frame. *f is a view that stays valid until the next
 * chan_recv or chan_fill. Does not flush. A malformed frame, or end of file
 * inside one, is IO_ERROR with EPROTO. Descriptors are received close-on-exec;
 * those over CHAN_FDS are closed.
 */
enum io chan_recv(struct chan *, struct frame *f, instant deadline) MUST_CHECK;

/*
 * For poll loops: chan_fill reads once without waiting (IO_TIMEOUT: there is
 * nothing); chan_next gives the next frame that is complete (IO_TIMEOUT: there
 * is none yet).
 */
enum io chan_fill(struct chan *) MUST_CHECK;
enum io chan_next(struct chan *, struct frame *f) MUST_CHECK;

/*
 * Both in one, for one frame alone: the octets and descriptors behind it stay
 * in the socket for another process.
 */
enum io chan_next_alone(struct chan *, struct frame *f) MUST_CHECK;

/* Are there octets that chan_next has not given? */
static inline bool
chan_pending(const struct chan *c)
{
	return c->in.pos < c->in.len;
}

/* The oldest descriptor not taken yet, which becomes the caller's, or -1. */
int chan_take_fd(struct chan *);

#endif
