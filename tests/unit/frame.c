/* SPDX-License-Identifier: ISC */
/* Frames: what is one, every cut of one, descriptors on their way. */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "frame.h"
#include "tap.h"

static struct chan a, b;
static struct chan_room a_room, b_room;
static char big[FRAME_MAX];

static void
parses(void)
{
	static const struct {
		struct span in;
		enum frame_event want;
	} t[] = {
		{ SPAN(""), FRAME_MORE },
		{ SPAN("1"), FRAME_MORE },
		{ SPAN("1:"), FRAME_MORE },
		{ SPAN("1:E"), FRAME_MORE },
		{ SPAN("1:E,"), FRAME_READY },
		{ SPAN("1:E,1"), FRAME_READY },
		{ SPAN("1:e,"), FRAME_READY },
		{ SPAN("3:B\r\n,"), FRAME_READY },
		{ SPAN("0:,"), FRAME_BAD },
		{ SPAN("0"), FRAME_BAD },
		{ SPAN("01:E,"), FRAME_BAD },
		{ SPAN(":"), FRAME_BAD },
		{ SPAN("-1:E,"), FRAME_BAD },
		{ SPAN("+1:E,"), FRAME_BAD },
		{ SPAN(" 1:E,"), FRAME_BAD },
		{ SPAN("1 :E,"), FRAME_BAD },
		{ SPAN("1,E,"), FRAME_BAD },
		{ SPAN("1:E;"), FRAME_BAD },
		{ SPAN("1:EE"), FRAME_BAD },
		{ SPAN("2:E,"), FRAME_MORE },
		{ SPAN("1:,"), FRAME_BAD },
		{ SPAN("2:1x,"), FRAME_BAD },
		{ SPAN("2:\xc4x,"), FRAME_BAD },
		{ SPAN("65536:B"), FRAME_MORE },
		{ SPAN("65537"), FRAME_BAD },
		{ SPAN("65536"), FRAME_MORE },
		{ SPAN("99999"), FRAME_BAD },
		{ SPAN("100000"), FRAME_BAD },
		{ SPAN("655360"), FRAME_BAD },
	};
	struct frame f;
	size_t used;

	for (size_t i = 0; i < nitems(t); i++)
		is_num(frame_parse(t[i].in, &f, &used), t[i].want,
		    "frame \"%.*s\"",
		    t[i].in.n < 9 ? (int)strcspn(t[i].in.p, "\r\n\xc4") : 0,
		    t[i].in.p);
	ok(frame_parse(SPAN("6:Bhello,rest"), &f, &used) == FRAME_READY &&
		f.tag == 'B' && span_eq(f.payload, SPAN("hello")) && used == 9,
	    "tag, payload and length");
	ok(frame_parse(span_of("2:B\0,", 5), &f, &used) == FRAME_READY &&
		span_eq(f.payload, span_of("", 1)),
	    "a NUL in the payload");
}

static void
adds(void)
{
	struct sbuf s;
	struct frame f;
	size_t used;

	sbuf_init(&s, 3 * FRAME_ROOM);
	frame_add(&s, 'E', SPAN(""));
	frame_add(&s, 'B', SPAN("123456789"));
	is_str(s.s, "1:E,10:B123456789,", "frames appended");
	sbuf_reset(&s);
	frame_add(&s, 'B', span_of(big, FRAME_PAYLOAD_MAX));
	ok(frame_parse(sbuf_span(&s), &f, &used) == FRAME_READY &&
		f.payload.n == FRAME_PAYLOAD_MAX && used == s.len &&
		s.len == FRAME_ROOM,
	    "the largest frame");
	for (size_t n = 0; n < s.len; n++)
		if (frame_parse(span_of(s.s, n), &f, &used) != FRAME_MORE)
			ok(false, "cut at %zu", n);
	ok(!s.bad, "no error so far");
	frame_add(&s, 'B', span_of(big, FRAME_MAX));
	ok(s.bad, "a larger one");
	sbuf_free(&s);
}

static void
connect_chans(void)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		abort();
	chan_init(&a, &a_room, fd[0], fd[0]);
	chan_init(&b, &b_room, fd[1], fd[1]);
}

static void
pipe_chans(void)
{
	int there[2], back[2];

	if (pipe(there) == -1 || pipe(back) == -1)
		abort();
	chan_init(&a, &a_room, back[0], there[1]);
	chan_init(&b, &b_room, there[0], back[1]);
}

static void
talks(const char *over)
{
	struct frame f;
	enum io r;

	is_num(chan_recv(&b, &f, 0), IO_TIMEOUT, "%s: silence", over);
	is_num(chan_send(&a, 'C', SPAN("version=1"), 0), IO_OK, "%s: send",
	    over);
	is_num(chan_recv(&b, &f, 0), IO_TIMEOUT, "%s: it is buffered", over);
	is_num(chan_send(&a, 'E', SPAN(""), 0), IO_OK, "%s: send", over);
	is_num(chan_flush(&a, 0), IO_OK, "%s: flush", over);
	ok(chan_recv(&b, &f, NEVER) == IO_OK && f.tag == 'C' &&
		span_eq(f.payload, SPAN("version=1")),
	    "%s: first", over);
	ok(chan_recv(&b, &f, NEVER) == IO_OK && f.tag == 'E' &&
		f.payload.n == 0,
	    "%s: second", over);
	is_num(chan_next(&b, &f), IO_TIMEOUT, "%s: no third", over);
	is_num(chan_fill(&b), IO_TIMEOUT, "%s: nor on the way", over);
	r = chan_send(&a, 'B', span_of(big, FRAME_MAX), 0);
	ok(r == IO_ERROR && errno == EMSGSIZE, "%s: too long to send", over);
	(void)!write(a.out.fd, "3:K", 3);
	is_num(chan_recv(&b, &f, clock_in(3)), IO_TIMEOUT, "%s: a part", over);
	(void)!write(a.out.fd, "ab,1:Z,", 7);
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'K' &&
		span_eq(f.payload, SPAN("ab")),
	    "%s: the rest of it", over);
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'Z', "%s: the next", over);
	(void)!write(a.out.fd, "2:X", 3);
	chan_close(&a);
	r = chan_recv(&b, &f, NEVER);
	ok(r == IO_ERROR && errno == EPROTO, "%s: an end within one", over);
	chan_close(&b);
}

static void
ends(void)
{
	struct frame f;
	enum io r;

	connect_chans();
	chan_close(&a);
	is_num(chan_recv(&b, &f, NEVER), IO_EOF, "an end between two");
	is_num(chan_fill(&b), IO_EOF, "and again");
	chan_close(&b);
	connect_chans();
	(void)!write(a.out.fd, "1:E,02:", 7);
	is_num(chan_recv(&b, &f, NEVER), IO_OK, "a good frame");
	r = chan_recv(&b, &f, NEVER);
	ok(r == IO_ERROR && errno == EPROTO, "before a malformed one");
	r = chan_recv(&b, &f, NEVER);
	ok(r == IO_ERROR && errno == EPROTO, "that stays so");
	chan_close(&a);
	is_num(chan_send(&b, 'E', SPAN(""), 0), IO_OK, "buffered for nobody");
	r = chan_flush(&b, 0);
	ok(r == IO_ERROR && errno == EPIPE, "is EPIPE");
	chan_close(&b);
}

/* Frames of all sizes, through a small socket, in a child's hands. */
static void
streams(void)
{
	struct frame f;
	size_t n = 0, sum = 0, wrong = 0;

	connect_chans();
	if (fork() == 0) {
		for (size_t i = 0; i < FRAME_MAX; i += 97)
			if (chan_send(&a, 'B', span_of(big, i), NEVER) != IO_OK)
				_exit(1);
		(void)!chan_flush(&a, NEVER);
		_exit(0);
	}
	(void)close(a.in.fd);
	while (chan_recv(&b, &f, clock_in(20000)) == IO_OK) {
		wrong += f.payload.n != n * 97 || f.tag != 'B' ||
		    memcmp(f.payload.p, big, f.payload.n) != 0;
		sum += f.payload.n;
		n++;
	}
	ok(wrong == 0 && n == (FRAME_MAX + 96) / 97, "%zu frames, %zu octets",
	    n, sum);
	chan_close(&b);
}

static bool
same_file(int x, int y)
{
	struct stat s, t;

	return x != -1 && fstat(x, &s) == 0 && fstat(y, &t) == 0 &&
	    s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
passes(void)
{
	struct frame f;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), fd;

	connect_chans();
	is_num(chan_send(&a, 'C', SPAN("x"), 0), IO_OK, "one without");
	is_num(chan_send_fd(&a, 'D', SPAN("id 0"), null, 0), IO_OK, "one");
	is_num(chan_send_fd(&a, 'D', span_of(big, FRAME_PAYLOAD_MAX), zero, 0),
	    IO_OK, "and a long one");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'C', "comes first");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'D', "comes");
	fd = chan_take_fd(&b);
	ok(same_file(fd, null), "with its descriptor");
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
	(void)close(fd);
	ok(chan_recv(&b, &f, 0) == IO_OK && f.payload.n == FRAME_PAYLOAD_MAX,
	    "the long one");
	fd = chan_take_fd(&b);
	ok(same_file(fd, zero), "with its own");
	is_num(chan_take_fd(&b), -1, "and no other");
	(void)close(fd);
	for (int i = 0; i < CHAN_FDS + 3; i++)
		if (chan_send_fd(&a, 'D', SPAN(""), null, 0) != IO_OK)
			ok(false, "send %d", i);
	for (int i = 0; i < CHAN_FDS + 3; i++)
		if (chan_recv(&b, &f, 0) != IO_OK)
			ok(false, "receive %d", i);
	is_num(b.nfds, CHAN_FDS, "more than may wait are closed");
	fd = b.fds[0];
	chan_close(&a);
	chan_close(&b);
	ok(!is_open(fd), "and the rest with the conversation");
	pipe_chans();
	is_num(chan_send_fd(&a, 'D', SPAN(""), null, 0), IO_ERROR,
	    "not over a pipe");
	chan_close(&a);
	chan_close(&b);
	(void)close(null);
	(void)close(zero);
}

/* A descriptor goes with the write that takes its frame, and with no other. */
static void
attaches(void)
{
	static char full[FRAME_ROOM];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd, n = 0;
	struct frame f;

	connect_chans();
	ok(chan_send(&a, 'A', SPAN(""), 0) == IO_OK &&
		chan_attach(&a, null, 0) == IO_OK &&
		chan_send(&a, 'C', SPAN("x"), 0) == IO_OK &&
		chan_send(&a, 'S', SPAN("y"), 0) == IO_OK,
	    "buffered behind a frame");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'A', "which is out");
	is_num(chan_take_fd(&b), -1, "without it");
	is_num(chan_fill(&b), IO_TIMEOUT, "and nothing else");
	is_num(chan_flush(&a, 0), IO_OK, "one write");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'C', "brings");
	fd = chan_take_fd(&b);
	ok(same_file(fd, null), "the descriptor");
	(void)close(fd);
	ok(chan_next(&b, &f) == IO_OK && f.tag == 'S', "and all the rest");
	ok(chan_send(&a, 'E', SPAN(""), 0) == IO_OK &&
		chan_flush(&a, 0) == IO_OK && chan_recv(&b, &f, 0) == IO_OK,
	    "the next one");
	is_num(chan_take_fd(&b), -1, "brings none");

	/* With more than the buffer holds, and more than the socket takes. */
	ok(chan_attach(&a, null, 0) == IO_OK &&
		chan_send(&a, 'B', span_of(big, FRAME_PAYLOAD_MAX - 100), 0) ==
		    IO_OK &&
		chan_send(&a, 'B', span_of(big, FRAME_PAYLOAD_MAX), 0) == IO_OK,
	    "a full buffer goes");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'B', "with its first");
	fd = chan_take_fd(&b);
	ok(same_file(fd, null), "octets");
	(void)close(fd);
	ok(chan_recv(&b, &f, 0) == IO_OK && chan_take_fd(&b) == -1, "once");
	while (send(a.out.fd, full, sizeof(full), MSG_DONTWAIT) > 0)
		n++;
	ok(n > 0 && chan_attach(&a, null, 0) == IO_OK &&
		chan_send(&a, 'C', SPAN("x"), 0) == IO_OK,
	    "where there is no room");
	is_num(chan_flush(&a, 0), IO_TIMEOUT, "it waits");
	while (recv(b.in.fd, full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	is_num(chan_flush(&a, 0), IO_OK, "until there is some");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'C', "and goes");
	fd = chan_take_fd(&b);
	ok(same_file(fd, null), "with its frame");
	(void)close(fd);
	chan_close(&a);
	chan_close(&b);
	(void)close(null);
}

/* Many descriptors at once on one octet: the kernel keeps what fits. */
static void
floods(void)
{
	union {
		struct cmsghdr align;
		char mem[CMSG_SPACE(200 * sizeof(int))];
	} u = { .mem = { 0 } };
	struct iovec v = { (void *)(uintptr_t) "1:E,", 4 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = u.mem,
		.msg_controllen = sizeof(u.mem) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct frame f;
	int probe, fds[200];

	connect_chans();
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	for (size_t i = 0; i < nitems(fds); i++)
		fds[i] = 1;
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	ok(sendmsg(a.out.fd, &m, 0) == 4, "200 descriptors on one frame");
	is_num(chan_recv(&b, &f, 0), IO_OK, "the frame comes");
	is_num(b.nfds, CHAN_FDS, "with as many as may wait");
	chan_close(&a);
	chan_close(&b);
	probe = dup(1);
	ok(probe < 10, "no descriptor is left over (%d)", probe);
	(void)close(probe);
}

/* Conversations in small buffers, as poll loops hold them. */
static void
loops(void)
{
	static char small[16], full[FRAME_ROOM];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd[2], n = 0;
	struct sbuf out;
	struct frame f;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		abort();
	chan_init_small(&a, fd[0], small, sizeof(small));
	chan_init(&b, &b_room, fd[1], fd[1]);
	sbuf_init(&out, 4 * FRAME_ROOM);
	ok(chan_send_fd(&b, 'C', SPAN("12345678901"), null, 0) == IO_OK &&
		chan_fill(&a) == IO_OK && chan_next(&a, &f) == IO_OK &&
		f.payload.n == 11 && chan_take_fd(&a) == -1,
	    "a frame fits; its descriptor is not taken");
	ok(frame_say(fd[1], 'C', SPAN("1234567890123")) &&
		chan_fill(&a) == IO_OK && chan_next(&a, &f) == IO_ERROR &&
		errno == EPROTO,
	    "one that never fits is malformed");
	chan_init_small(&a, fd[0], small, sizeof(small));
	frame_add(&out, 'U', SPAN("x"));
	ok(chan_attach(&a, null, 0) == IO_OK && chan_push(&a, &out) == IO_OK &&
		out.len == 0 && chan_recv(&b, &f, 0) == IO_OK && f.tag == 'U',
	    "what is pushed comes");
	n = chan_take_fd(&b);
	ok(same_file(n, null), "with its descriptor");
	(void)close(n);
	while (send(fd[0], full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	frame_add(&out, 'B', span_of(big, FRAME_PAYLOAD_MAX));
	is_num(chan_push(&a, &out), IO_TIMEOUT, "a full socket takes nothing");
	while (recv(fd[1], full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	frame_add(&out, 'E', SPAN(""));
	is_num(chan_push(&a, &out), IO_OK, "then it takes all");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.payload.n == FRAME_PAYLOAD_MAX &&
		chan_recv(&b, &f, 0) == IO_OK && f.tag == 'E',
	    "with what was added meanwhile");
	chan_close(&a);
	chan_close(&b);
	sbuf_free(&out);
	(void)close(null);
}

/* One frame is taken, and what follows is left to another process. */
static void
leaves(void)
{
	static char small[16];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd[2], n;
	struct frame f;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == -1)
		abort();
	chan_init_small(&a, fd[0], small, sizeof(small));
	chan_init(&b, &b_room, fd[0], fd[0]);
	is_num(chan_next_alone(&a, &f), IO_TIMEOUT, "nothing there");
	(void)!write(fd[1], "4:U", 3);
	is_num(chan_next_alone(&a, &f), IO_TIMEOUT, "a part of one");
	is_num(chan_next_alone(&a, &f), IO_TIMEOUT, "wakes once");
	(void)!write(fd[1], "abc,1:E,", 8);
	ok(chan_next_alone(&a, &f) == IO_OK && f.tag == 'U' &&
		span_eq(f.payload, SPAN("abc")),
	    "the rest of it");
	ok(chan_recv(&b, &f, 0) == IO_OK && f.tag == 'E', "the next is left");
	(void)!write(fd[1], "3:Uab,", 6);
	chan_init(&b, &b_room, fd[1], fd[1]);
	ok(chan_send_fd(&b, 'D', SPAN(""), null, 0) == IO_OK &&
		chan_next_alone(&a, &f) == IO_OK && f.tag == 'U',
	    "one before a descriptor");
	chan_init(&b, &b_room, fd[0], fd[0]);
	is_num(chan_recv(&b, &f, 0), IO_OK, "and what follows");
	n = chan_take_fd(&b);
	ok(same_file(n, null), "still has it");
	(void)close(n);
	(void)!write(fd[1], "99:U5678901234567", 17);
	is_num(chan_next_alone(&a, &f), IO_ERROR, "one that is too long");
	chan_init_small(&a, fd[0], small, sizeof(small));
	(void)close(fd[1]);
	while (recv(fd[0], small, sizeof(small), MSG_DONTWAIT) > 0)
		;
	is_num(chan_next_alone(&a, &f), IO_EOF, "an end");
	(void)close(fd[0]);
	(void)close(null);
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 2654435761U >> 24);
	parses();
	adds();
	connect_chans();
	talks("socket");
	pipe_chans();
	talks("pipe");
	ends();
	streams();
	passes();
	attaches();
	floods();
	loops();
	leaves();
	return done();
}
