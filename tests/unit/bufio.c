/* SPDX-License-Identifier: ISC */
/* Buffered descriptors: sockets and pipes, deadlines, signals, full peers. */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "bufio.h"
#include "tap.h"

#define MUCH 3000000

static char much[MUCH];

/* Two connected descriptors: a stream socket pair or a pipe. */
static void
pair(bool sock, bool nonblock, int fd[2])
{
	int r;

	if (sock)
		r = socketpair(AF_UNIX,
		    SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0, fd);
	else
		r = pipe2(fd, nonblock ? O_NONBLOCK : 0);
	if (r == -1)
		abort();
}

static void
reads(bool sock, bool nonblock)
{
	const char *kind = sock ? "socket" : "pipe";
	struct inbuf b;
	char mem[8];
	int fd[2];

	pair(sock, nonblock, fd);
	inbuf_init(&b, fd[0], mem, sizeof(mem));
	is_num(inbuf_fill(&b, 0), IO_TIMEOUT, "%s: nothing there", kind);
	is_num(inbuf_fill(&b, clock_in(5)), IO_TIMEOUT, "%s: nor soon", kind);
	(void)!write(fd[1], "abcdefghij", 10);
	is_num(inbuf_fill(&b, 0), IO_OK, "%s: what is there comes", kind);
	is_span(inbuf_view(&b), SPAN("abcdefgh"), "%s: as it fits", kind);
	errno = 0;
	is_num(inbuf_fill(&b, 0), IO_ERROR, "%s: full", kind);
	is_num(errno, ENOBUFS, "%s: full, it says", kind);
	inbuf_take(&b, 5);
	is_num(inbuf_fill(&b, NEVER), IO_OK, "%s: room again", kind);
	is_span(inbuf_view(&b), SPAN("fghij"), "%s: moved to the front", kind);
	(void)close(fd[1]);
	is_num(inbuf_fill(&b, NEVER), IO_EOF, "%s: the end", kind);
	is_span(inbuf_view(&b), SPAN("fghij"), "%s: leaves what is unread",
	    kind);
	(void)close(fd[0]);
	is_num(inbuf_fill(&b, NEVER), IO_ERROR, "%s: closed", kind);
}

/* A child reads all there is: the pid, whose exit code is 0 if it is right. */
static pid_t
drain(int fd[2])
{
	static char got[MUCH];
	size_t n = 0;
	ssize_t r;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)close(fd[1]);
	while ((r = read(fd[0], got + n, sizeof(got) - n)) > 0)
		n += (size_t)r;
	_exit(n == MUCH && memcmp(got, much, MUCH) == 0 ? 0 : 1);
}

static void
writes(bool sock, bool nonblock)
{
	const char *kind = sock ? "socket" : "pipe";
	struct outbuf b;
	char mem[1000];
	size_t at = 0;
	enum io r = IO_OK;
	int fd[2], status;
	pid_t pid;

	pair(sock, nonblock, fd);
	if (sock) {
		int x = fd[0];

		fd[0] = fd[1];
		fd[1] = x;
	}
	outbuf_init(&b, fd[1], mem, sizeof(mem));
	for (; r == IO_OK && at < MUCH; at += 4096)
		r = io_write(fd[1], much, 4096, clock_in(5));
	is_num(r, IO_TIMEOUT, "%s: nobody reads", kind);
	(void)close(fd[0]);
	(void)close(fd[1]);

	pair(sock, false, fd);
	b.fd = fd[1];
	at = 0;
	pid = drain(fd);
	(void)close(fd[0]);
	/* Sizes from 0 on, past the buffer's, until all is written. */
	for (size_t n = 0; at < MUCH && r != IO_ERROR; n += 7) {
		size_t take = n < MUCH - at ? n : MUCH - at;

		r = outbuf_add(&b, much + at, take, clock_in(20000));
		at += take;
	}
	is_num(r, IO_OK, "%s: all is taken", kind);
	is_num(outbuf_flush(&b, clock_in(20000)), IO_OK, "%s: flushed", kind);
	(void)close(fd[1]);
	(void)waitpid(pid, &status, 0);
	is_num(status, 0, "%s: and came as it was", kind);
}

static void
broken(bool sock)
{
	struct outbuf b;
	char mem[10];
	int fd[2];

	pair(sock, false, fd);
	(void)close(fd[0]);
	outbuf_init(&b, fd[1], mem, sizeof(mem));
	is_num(outbuf_add(&b, "x", 1, NEVER), IO_OK, "buffered");
	is_num(outbuf_flush(&b, NEVER), IO_ERROR, "nobody is there");
	is_num(errno, EPIPE, "EPIPE");
	is_num(outbuf_add(&b, "0123456789", 10, NEVER), IO_ERROR,
	    "overflowing onto it");
	(void)close(fd[1]);
}

/* A flush that timed out goes on where it was. */
static void
goes_on(void)
{
	static char mem[1000000], got[1000000];
	struct outbuf b;
	size_t n = 0;
	ssize_t r;
	int fd[2];

	pair(true, false, fd);
	outbuf_init(&b, fd[1], mem, sizeof(mem));
	is_num(outbuf_add(&b, much, sizeof(mem), 0), IO_OK, "a megabyte");
	is_num(outbuf_flush(&b, 0), IO_TIMEOUT, "is more than a socket takes");
	while (n < sizeof(mem)) {
		r = recv(fd[0], got + n, sizeof(got) - n, MSG_DONTWAIT);
		n += r < 0 ? 0 : (size_t)r;
		if (outbuf_flush(&b, 0) == IO_ERROR || r == 0)
			break;
	}
	ok(n == sizeof(mem) && memcmp(got, much, n) == 0 && b.len == 0,
	    "flushing again loses and repeats nothing");
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void
on_alarm(int sig)
{
	(void)sig;
}

/* Signals neither end a wait nor lengthen it. */
static void
interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } },
			 no = { { 0, 0 }, { 0, 0 } };
	struct inbuf b;
	char mem[8];
	int fd[2];

	pair(true, false, fd);
	inbuf_init(&b, fd[0], mem, sizeof(mem));
	(void)sigaction(SIGALRM, &sa, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	is_num(inbuf_fill(&b, clock_in(50)), IO_TIMEOUT, "through signals");
	(void)setitimer(ITIMER_REAL, &no, NULL);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < MUCH; i++)
		much[i] = (char)(i * 2654435761U >> 24);
	for (int i = 0; i < 4; i++) {
		reads(i & 1, i & 2);
		writes(i & 1, i & 2);
	}
	broken(true);
	broken(false);
	goes_on();
	interrupted();
	return done();
}
