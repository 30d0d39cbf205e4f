/* SPDX-License-Identifier: ISC */
/* A program serves what it is given: a connection, or a listening socket. */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "confine.h"
#include "log.h"
#include "proc.h"
#include "sbuf.h"
#include "serve.h"

#define CONNS_MAX 8192 /* silent connections, by descriptor number */
#define PAUSE_MS 100
#define SPAWN_TRIES 5
#define BATCH 32
#define HELLO_MAX 16384
#define REPORT 24 /* "signal=N" or "exit=N" */

struct child {
	pid_t pid;
	int conn; /* kept to report on; -1: not kept */
};

struct server {
	int listener; /* -1 once SIGTERM has come */
	int epoll, signals;
	enum serve_start start;
	serve_hello_fn *hello; /* NULL: none is said */
	void *context;
	bool tcp;
	char *const *argv;
	struct child *children;
	unsigned nchildren, limit;
	instant resume;         /* when to accept again; 0: not pausing */
	bool silent[CONNS_MAX]; /* accepted, nothing said yet */
};

static bool
is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static int
find_listener(void)
{
	const char *fds, *pid;
	uint32_t n;

	if (is_listening(0))
		return 0;
	if ((fds = getenv("LISTEN_FDS")) == NULL || strcmp(fds, "1") != 0 ||
	    (pid = getenv("LISTEN_PID")) == NULL ||
	    !span_u32(span_str(pid), UINT32_MAX, &n) || n != (uint32_t)getpid())
		return -1;
	return is_listening(3) ? 3 : -1;
}

int
serve_listener(void)
{
	int fd = find_listener(), flags;

	if (fd == -1)
		return -1;
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		die_sys(EXIT_TEMP, "cannot use the listening socket");
	return fd;
}

static void
watch(struct server *s, int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(s->epoll, op, fd, &e) == -1)
		die_sys(EXIT_TEMP, "cannot watch a descriptor");
}

/* 0 done; 100, 111: it has answered, or end of file says enough. */
static bool
ended_badly(int status, char text[REPORT])
{
	if (WIFSIGNALED(status))
		(void)snprintf(text, REPORT, "signal=%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_OK &&
	    WEXITSTATUS(status) != EXIT_PERM &&
	    WEXITSTATUS(status) != EXIT_TEMP)
		(void)snprintf(text, REPORT, "exit=%d", WEXITSTATUS(status));
	else
		return false;
	return true;
}

/* A peer that does not read loses the report, never our time. */
static void
report(int conn, const char *text)
{
	char frame[REPORT + 16];
	int n = snprintf(frame, sizeof(frame), "%zu:D%s,", strlen(text) + 1,
	    text);

	(void)send(conn, frame, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
ended(struct server *s, struct child *c, const char *text)
{
	if (c->conn != -1) {
		if (text[0] != '\0')
			report(c->conn, text);
		(void)close(c->conn);
	}
	*c = s->children[--s->nchildren];
}

static void
reap(struct server *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		char text[REPORT] = "";

		if (ended_badly(status, text))
			warn("process %ld died: %s", (long)pid, text);
		/* Others than ours: those of who exec'd us. */
		for (unsigned i = 0; i < s->nchildren; i++)
			if (s->children[i].pid == pid) {
				ended(s, &s->children[i], text);
				break;
			}
	}
}

static void
pause_accepting(struct server *s)
{
	s->resume = clock_in(PAUSE_MS);
	watch(s, EPOLL_CTL_MOD, s->listener, 0);
}

/*
 * A fork that fails now may do so no longer when others have ended. Only
 * then is the connection dropped, which for its peer is a deferral.
 */
static void
spawn(struct server *s, int conn)
{
	bool found = strchr(s->argv[0], '/') != NULL;
	const char *path = found ? s->argv[0] : "/proc/self/exe";
	const struct proc_fd fds[] = { { 0, conn }, { 1, conn }, { 2, 2 } };
	pid_t pid = -1;

	for (int i = 0; i < SPAWN_TRIES && pid == -1; i++) {
		if (i > 0) {
			(void)poll(NULL, 0, PAUSE_MS);
			reap(s);
		}
		pid = proc_spawn(path, s->argv, NULL, fds, nitems(fds));
		if (pid == -1)
			warn_sys("cannot start '%s'", path);
	}
	if (pid == -1 || s->start != SERVE_AND_REPORT) {
		(void)close(conn);
		conn = -1;
	}
	if (pid != -1)
		s->children[s->nchildren++] = (struct child){ pid, conn };
}

/* Something came on a connection: its first octet, or its end. */
static void
speaks(struct server *s, int conn, uint32_t events)
{
	char c;

	s->silent[conn] = false;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
	    recv(conn, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		(void)close(conn);
	else
		spawn(s, conn);
}

static void
wait_for_speech(struct server *s, int conn)
{
	/*
	 * Once: the child holds the same open socket, so closing ours does
	 * not take it out of the set.
	 */
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
		.data.fd = conn };

	if (conn >= CONNS_MAX ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, conn, &e) == -1) {
		warn("too many silent connections");
		(void)close(conn);
		pause_accepting(s);
		return;
	}
	s->silent[conn] = true;
}

/* What fits into an empty socket buffer needs no waiting for. */
static bool
is_welcome(struct server *s, int conn)
{
	struct sbuf frame;
	bool good;

	sbuf_init(&frame, HELLO_MAX);
	good = s->hello(s->context, &frame) && !frame.bad;
	if (send(conn, frame.s, frame.len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)frame.len)
		good = false;
	sbuf_free(&frame);
	return good;
}

static void
take_in(struct server *s, int conn)
{
	static const int on = 1;

	if (s->tcp)
		(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	if (s->hello != NULL && !is_welcome(s, conn))
		(void)close(conn);
	else if (s->start == SERVE_AT_ACCEPT)
		spawn(s, conn);
	else
		wait_for_speech(s, conn);
}

static void
accept_some(struct server *s)
{
	while (s->resume == 0 && s->nchildren < s->limit) {
		int conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (conn != -1) {
			take_in(s, conn);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
		case EBADF:
		case EINVAL:
		case ENOTSOCK:
		case EOPNOTSUPP:
			warn_sys("cannot accept");
			pause_accepting(s);
			return;
		default:
			break; /* it concerns that one connection only */
		}
	}
}

/* The silent are sent away; who has just spoken is still served. */
static void
stop(struct server *s)
{
	(void)close(s->listener);
	s->listener = -1;
	for (int fd = 0; fd < CONNS_MAX; fd++)
		if (s->silent[fd] && s->nchildren < s->limit)
			speaks(s, fd, EPOLLRDHUP);
		else if (s->silent[fd])
			(void)close(fd);
}

static void
take_signals(struct server *s)
{
	struct signalfd_siginfo si[2];
	ssize_t n = read(s->signals, si, sizeof(si));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(si[0]); i++)
		if (si[i].ssi_signo == SIGTERM && s->listener != -1)
			stop(s);
	reap(s);
}

static void
turn(struct server *s)
{
	struct epoll_event e[BATCH];
	unsigned room = s->limit - s->nchildren;
	int n;

	/* With no process to spare, what speaks waits in the set. */
	if (room == 0 || s->listener == -1) {
		struct pollfd p = { .fd = s->signals, .events = POLLIN };

		if (poll(&p, 1, -1) > 0)
			take_signals(s);
		return;
	}
	n = epoll_wait(s->epoll, e, room < BATCH ? (int)room : BATCH,
	    s->resume == 0 ? -1 : clock_left(s->resume));
	if (s->resume != 0 && clock_left(s->resume) == 0) {
		s->resume = 0;
		watch(s, EPOLL_CTL_MOD, s->listener, EPOLLIN);
	}
	for (int i = 0; i < n && s->listener != -1; i++) {
		if (e[i].data.fd == s->signals)
			take_signals(s);
		else if (e[i].data.fd == s->listener)
			accept_some(s);
		else
			speaks(s, e[i].data.fd, e[i].events);
	}
}

/* As many descriptors as we may have, up to what silent[] has room for. */
static void
raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		return;
	r.rlim_cur = r.rlim_max < CONNS_MAX ? r.rlim_max : CONNS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static void
set_up(struct server *s)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);
	sigset_t set;

	raise_limit();
	s->children = calloc(s->limit, sizeof(*s->children));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->children == NULL || s->signals == -1 || s->epoll == -1)
		die_sys(EXIT_TEMP, "cannot listen");
	watch(s, EPOLL_CTL_ADD, s->signals, EPOLLIN);
	watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN);
	s->tcp = getsockname(s->listener, &sa, &n) == 0 &&
	    sa.sa_family != AF_UNIX;
}

static void
run(char *const argv[], enum serve_start start, unsigned limit,
    serve_hello_fn *hello, void *context)
{
	static struct server s;
	int fd = serve_listener();

	if (fd == -1)
		return;
	s = (struct server){ .listener = fd,
		.start = start,
		.hello = hello,
		.context = context,
		.argv = argv,
		.limit = limit == 0 ? 1 : limit };
	confine_report();
	set_up(&s);
	while (s.listener != -1 || s.nchildren > 0)
		turn(&s);
	_exit(EXIT_OK);
}

void
serve(char *const argv[], enum serve_start start, unsigned limit)
{
	run(argv, start, limit, NULL, NULL);
}

void
serve_hello(char *const argv[], unsigned limit, serve_hello_fn *hello,
    void *context)
{
	run(argv, SERVE_AT_FIRST_BYTE, limit, hello, context);
}
