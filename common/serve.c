/* SPDX-License-Identifier: ISC */
/* A program serves what it is given: a connection, or a listening socket. */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

#include "bufio.h"
#include "log.h"
#include "helper.h"
#include "serve.h"
#include "warm.h"

#define CONNS_MAX 8192           /* silent connections, by descriptor number */
#define FDS_MAX 64               /* what a program has open before it serves */
#define CHILDREN_MAX 1000        /* of one warm process */
#define LIFE_MS (60 * 60 * 1000) /* of a warm process */
#define PAUSE_MS 100
#define SPAWN_TRIES 5
#define BATCH 32
#define HELLO_MAX 16384
#define REPORT 24 /* "signal=N" or "exit=N" */

struct child {
	pid_t pid;
	int conn; /* kept to report on; -1: not kept */
};

/* The state of a warm process. */
enum warm_state {
	WARM_COLD,  /* not warm: each connection gets an exec */
	WARM_FRESH, /* it serves */
	WARM_OLD,   /* it serves until its successor is there */
	WARM_STALE, /* a file changed: no connection is served with the old one */
	WARM_TAINTED, /* a child died badly: no more forks */
	WARM_RETIRED, /* it waits for its children */
};

struct server {
	int listener; /* -1 once SIGTERM has come */
	int epoll, signals;
	enum serve_start start;
	serve_hello_fn *hello; /* NULL: no greeting */
	void *context;
	bool tcp;
	char *const *argv;
	struct child *children;
	unsigned nchildren, limit;
	instant resume; /* when to accept again; 0: not pausing */
	/* Of a warm process: */
	enum warm_state warm;
	int keeper; /* the socket to the listener's own process */
	int floor;  /* all descriptors that only serving needs: from here */
	unsigned others; /* children of retired processes */
	unsigned born;   /* children so far */
	instant old;     /* when it is old enough */
	int mine;        /* in a child: its connection; else -1 */
	/* After all that a child touches: it pays for each page of it. */
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
serve_watch(struct server *s, int op, int fd, uint32_t events)
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
serve_report(int conn, const char *text)
{
	char frame[REPORT + 16];
	int n = snprintf(frame, sizeof(frame), "%zu:D%s,", strlen(text) + 1,
	    text);

	(void)send(conn, frame, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
serve_ended(struct server *s, struct child *c, const char *text)
{
	if (c->conn != -1) {
		if (text[0] != '\0' && s->start == SERVE_AND_REPORT)
			serve_report(c->conn, text);
		(void)close(c->conn);
	}
	*c = s->children[--s->nchildren];
}

static void
ask_for_successor(struct server *s, enum warm_state state)
{
	bool asked = s->warm == WARM_OLD || s->warm == WARM_STALE ||
	    s->warm == WARM_TAINTED;

	s->warm = state;
	if (!asked)
		(void)warm_send(s->keeper, WARM_RENEW, 0, -1);
}

/*
 * All children share the addresses and the canary of their parent: an attacker
 * whose guess killed one must not get another try.
 */
static void
serve_taint(struct server *s)
{
	if (s->warm != WARM_COLD && s->warm != WARM_RETIRED)
		ask_for_successor(s, WARM_TAINTED);
}

static void
serve_reap(struct server *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		char text[REPORT] = "";

		if (ended_badly(status, text)) {
			warn("process %ld died: %s", (long)pid, text);
			serve_taint(s);
		}
		/* It may be a child of the program that exec'd us. */
		for (unsigned i = 0; i < s->nchildren; i++)
			if (s->children[i].pid == pid) {
				serve_ended(s, &s->children[i], text);
				break;
			}
	}
	if (s->warm == WARM_RETIRED)
		(void)warm_send(s->keeper, WARM_COUNT, s->nchildren, -1);
}

static void
pause_accepting(struct server *s)
{
	s->resume = clock_in(PAUSE_MS);
	serve_watch(s, EPOLL_CTL_MOD, s->listener, 0);
}

/* Execs or forks; returns the pid, -1 with errno, or 0 in a forked child. */
static pid_t
start_process(struct server *s, int conn)
{
	bool found = strchr(s->argv[0], '/') != NULL;
	const char *path = found ? s->argv[0] : "/proc/self/exe";
	const struct proc_fd fds[] = { { 0, conn }, { 1, conn }, { 2, 2 } };
	pid_t pid = s->warm != WARM_COLD ?
	    fork() :
	    proc_spawn(path, s->argv, NULL, fds, nitems(fds));

	if (pid == -1)
		warn_sys("cannot start '%s'", path);
	return pid;
}

/*
 * A client that sees the end of a connection must not be served next by a
 * process that does not know yet how that child has ended.
 */
static bool
keeps_connections(const struct server *s)
{
	return s->start == SERVE_AND_REPORT || s->warm != WARM_COLD;
}

/*
 * A fork that fails now may do so no longer when others have ended. Only
 * then is the connection dropped, which for its peer is a deferral.
 */
static void
serve_spawn(struct server *s, int conn)
{
	pid_t pid = start_process(s, conn);

	for (int i = 1; i < SPAWN_TRIES && pid == -1; i++) {
		(void)poll(NULL, 0, PAUSE_MS);
		serve_reap(s);
		pid = start_process(s, conn);
	}
	if (pid == 0) {
		s->mine = conn;
		return;
	}
	if (pid == -1 || !keeps_connections(s)) {
		(void)close(conn);
		conn = -1;
	}
	if (pid != -1)
		s->children[s->nchildren++] = (struct child){ pid, conn };
	s->born++;
}

/* Something came on a connection: its first octet, or its end. */
static void
serve_speaks(struct server *s, int conn, uint32_t events)
{
	char c;

	s->silent[conn] = false;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
	    recv(conn, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		(void)close(conn);
	else
		serve_spawn(s, conn);
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

/* The greeting fits into an empty socket buffer: no need to wait. */
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

/* It was greeted, if that is usual. */
static void
serve_begin(struct server *s, int conn)
{
	if (s->start == SERVE_AT_ACCEPT)
		serve_spawn(s, conn);
	else
		wait_for_speech(s, conn);
}

static void
serve_take_in(struct server *s, int conn)
{
	static const int on = 1;

	if (s->tcp)
		(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	if (s->hello != NULL && !is_welcome(s, conn))
		(void)close(conn);
	else
		serve_begin(s, conn);
}

/*
 * Where a child drops all that only serving needs: above what the program has
 * opened for its children.
 */
static int
above_floor(const struct server *s, int fd)
{
	int up;

	if (s->warm == WARM_COLD || fd == -1 || fd >= s->floor)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, s->floor);
	(void)io_close(fd);
	return up;
}

/* --- is it fresh? ------------------------------------------------------------ */

void
serve_reads(const char *path)
{
	if (serve_is_warm() && !warm_reads_add(path))
		die_sys(EXIT_TEMP, "cannot start");
}

static bool
may_serve(const struct server *s)
{
	switch (s->warm) {
	case WARM_COLD:
	case WARM_FRESH:
	case WARM_OLD:
		return true;
	case WARM_STALE:
	case WARM_TAINTED:
	case WARM_RETIRED:
		break;
	}
	return false;
}

static void
look_at_age(struct server *s)
{
	if (s->warm != WARM_FRESH && s->warm != WARM_OLD)
		return;
	if (warm_reads_changed(s->warm == WARM_OLD))
		ask_for_successor(s, WARM_STALE);
	else if (s->warm == WARM_FRESH && warm_reads_may_try() &&
	    (s->born >= CHILDREN_MAX || clock_left(s->old) == 0))
		ask_for_successor(s, WARM_OLD);
}

/* How many more may be served now. */
static unsigned
serve_room(const struct server *s)
{
	unsigned n = s->nchildren + s->others;

	return n < s->limit ? s->limit - n : 0;
}

/* One at a time: epoll reports the next one at once. */
static void
accept_one(struct server *s)
{
	int conn;

	look_at_age(s);
	if (!may_serve(s))
		return;
	conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (conn != -1)
		conn = above_floor(s, conn);
	if (conn != -1) {
		serve_take_in(s, conn);
		return;
	}
	switch (errno) {
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
		break;
	default:
		break; /* it concerns that one connection only */
	}
}

/* A silent connection is closed; one that has just spoken is served. */
static void
serve_dismiss(struct server *s, int conn)
{
	s->silent[conn] = false;
	if (may_serve(s) && serve_room(s) > 0)
		serve_speaks(s, conn, EPOLLRDHUP);
	else
		(void)close(conn);
}

static void
serve_stop(struct server *s)
{
	(void)close(s->listener);
	s->listener = -1;
	for (int fd = 0; fd < CONNS_MAX && s->mine == -1; fd++)
		if (s->silent[fd])
			serve_dismiss(s, fd);
}

/* --- the listener's own process ------------------------------------------------ */

/* The successor gets all that waits; this process keeps what it serves. */
static void
serve_retire(struct server *s)
{
	s->warm = WARM_RETIRED;
	(void)close(s->listener);
	s->listener = -1;
	(void)warm_send(s->keeper, WARM_COUNT, s->nchildren, -1);
	for (int fd = 0; fd < CONNS_MAX; fd++)
		if (s->silent[fd]) {
			(void)warm_send(s->keeper, WARM_CONN, 0, fd);
			(void)close(fd);
			s->silent[fd] = false;
		}
}

/* Events that came while no connection could be served must come again. */
static void
serve_go_on(struct server *s)
{
	warm_reads_refused();
	if (s->warm == WARM_TAINTED)
		(void)warm_send(s->keeper, WARM_RENEW, 1, -1);
	if (s->warm == WARM_TAINTED || s->warm == WARM_RETIRED)
		return;
	s->warm = WARM_FRESH;
	s->born = 0;
	s->old = clock_in(LIFE_MS);
	for (int fd = 0; fd < CONNS_MAX; fd++) {
		struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP |
			    EPOLLONESHOT,
			.data.fd = fd };

		if (s->silent[fd])
			(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
	}
}

static void
serve_take_word(struct server *s)
{
	struct warm_message m;
	int fd;

	if (!warm_receive(s->keeper, &m, &fd)) {
		/* It was killed: another one takes the socket. */
		m.word = WARM_STOP;
		(void)close(s->keeper);
		s->keeper = -1;
	}
	switch (m.word) {
	case WARM_RETIRE:
		serve_retire(s);
		break;
	case WARM_GO_ON:
		serve_go_on(s);
		break;
	case WARM_CONN:
		fd = fd == -1 ? -1 : above_floor(s, fd);
		if (fd != -1 && s->listener != -1)
			serve_begin(s, fd);
		else if (fd != -1)
			serve_dismiss(s, fd);
		break;
	case WARM_COUNT:
		s->others = m.n;
		break;
	case WARM_STOP:
		if (s->listener != -1)
			serve_stop(s);
		break;
	case WARM_READY:
	case WARM_RENEW:
		break;
	}
}

/* --- the loop ------------------------------------------------------------------ */

/* A warm process hears from its listener when all is to end. */
static void
serve_take_term(struct server *s)
{
	if (s->warm == WARM_COLD && s->listener != -1)
		serve_stop(s);
	else if (s->warm == WARM_FRESH)
		ask_for_successor(s, WARM_OLD);
}

static void
serve_take_signals(struct server *s)
{
	struct signalfd_siginfo si[2];
	ssize_t n = read(s->signals, si, sizeof(si));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(si[0]); i++)
		if (si[i].ssi_signo == SIGTERM)
			serve_take_term(s);
	serve_reap(s);
}

/* No connection can be served now: those that speak wait in the set. */
static void
wait_for_others(struct server *s)
{
	struct pollfd p[] = { { .fd = s->signals, .events = POLLIN },
		{ .fd = s->keeper, .events = POLLIN } };

	if (poll(p, nitems(p), -1) <= 0)
		return;
	if (p[0].revents != 0)
		serve_take_signals(s);
	if (p[1].revents != 0 && s->keeper != -1)
		serve_take_word(s);
}

static void
serve_take_event(struct server *s, const struct epoll_event *e)
{
	if (e->data.fd == s->signals)
		serve_take_signals(s);
	else if (e->data.fd == s->keeper)
		serve_take_word(s);
	else if (e->data.fd == s->listener)
		accept_one(s);
	else if (may_serve(s))
		serve_speaks(s, e->data.fd, e->events);
}

static void
serve_turn(struct server *s)
{
	struct epoll_event e[BATCH];
	unsigned n_max = serve_room(s) < BATCH ? serve_room(s) : BATCH;
	int n;

	if (n_max == 0 || s->listener == -1 || !may_serve(s)) {
		wait_for_others(s);
		return;
	}
	n = epoll_wait(s->epoll, e, (int)n_max,
	    s->resume == 0 ? -1 : clock_left(s->resume));
	if (s->resume != 0 && clock_left(s->resume) == 0) {
		s->resume = 0;
		serve_watch(s, EPOLL_CTL_MOD, s->listener, EPOLLIN);
	}
	for (int i = 0; i < n && s->listener != -1 && s->mine == -1; i++)
		serve_take_event(s, &e[i]);
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

/* The table of children, which a child does not need and does not map. */
static struct child *
make_children(unsigned limit)
{
	size_t size = limit * sizeof(struct child);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, size, MADV_DONTFORK) == -1)
		die_sys(EXIT_TEMP, "cannot listen");
	return p;
}

static void
set_up(struct server *s)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };
	socklen_t n = sizeof(sa);
	sigset_t set;

	s->mine = -1;
	raise_limit();
	s->children = make_children(s->limit);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	s->signals = above_floor(s,
	    signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	s->epoll = above_floor(s, epoll_create1(EPOLL_CLOEXEC));
	if (s->signals == -1 || s->epoll == -1)
		die_sys(EXIT_TEMP, "cannot listen");
	serve_watch(s, EPOLL_CTL_ADD, s->signals, EPOLLIN);
	serve_watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN);
	s->tcp = getsockname(s->listener, &sa, &n) == 0 &&
	    sa.sa_family != AF_UNIX;
}

void
serve(char *const argv[], enum serve_start start, unsigned limit)
{
	static struct server s;
	int fd = serve_listener();

	if (fd == -1)
		return;
	s = (struct server){ .listener = fd,
		.keeper = -1,
		.start = start,
		.argv = argv,
		.limit = limit == 0 ? 1 : limit };
	confine_report();
	set_up(&s);
	while (s.listener != -1 || s.nchildren > 0)
		serve_turn(&s);
	_exit(EXIT_OK);
}

/* --- warm helpers -------------------------------------------------------------- */

static struct server warm; /* argv NULL: this is not a warm process */
/* Not zero, so that it lies among what each process writes anyway. */
static const struct serve_how no_how;
static const struct serve_how *how = &no_how;

void
serve_warm(char *const argv[], const struct serve_how *h)
{
	int fd = serve_listener();
	uint64_t since;

	how = h;
	if (fd == -1)
		return;
	if (!warm_is(&since)) {
		confine_report();
		warm_keep(fd, argv);
	}
	warm_reads_begin(since);
	(void)prctl(PR_SET_NAME, progname, 0, 0, 0);
	warm = (struct server){ .warm = WARM_FRESH,
		.listener = fd,
		.keeper = WARM_FD,
		.start = h->start,
		.hello = h->hello,
		.context = h->context,
		.argv = argv,
		.limit = h->limit == 0 ? 1 : h->limit };
	warm.others = warm.limit; /* until their number is known */
}

bool
serve_is_warm(void)
{
	return warm.argv != NULL;
}

/* The number above all open descriptors. */
static int
find_floor(void)
{
	int fd = FDS_MAX - 1;

	while (fd > 2 && fcntl(fd, F_GETFD) == -1)
		fd--;
	return fd + 1;
}

/* The connection, and nothing that belongs to the warm process. */
static void
become_child(const struct server *s)
{
	sigset_t none;

	(void)close(s->keeper);
	if (dup2(s->mine, 0) == -1 || dup2(s->mine, 1) == -1 ||
	    syscall(SYS_close_range, s->floor, ~0U, 0) == -1)
		die_sys(EXIT_TEMP, "cannot take the connection");
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
read_settings(const struct conf *conf)
{
	bool given = false;

	for (unsigned i = 0; i < conf->nargs; i += 2)
		if (conf->args[i][1] == 'c') {
			serve_reads(conf->args[i + 1]);
			given = true;
		}
	if (!given)
		serve_reads(CONF_DEFAULT_FILE);
}

static void
serve_warmly(struct server *s, const struct confine *keep,
    const struct conf *conf)
{
	read_settings(conf);
	s->floor = find_floor();
	set_up(s);
	serve_watch(s, EPOLL_CTL_ADD, s->keeper, EPOLLIN);
	s->old = clock_in(LIFE_MS);
	if (!how->execs)
		confine_warm(keep, conf);
	if (!warm_send(s->keeper, WARM_READY, 0, -1))
		_exit(EXIT_TEMP);
	while (s->listener != -1 || s->nchildren > 0) {
		serve_turn(s);
		if (s->mine != -1) {
			become_child(s);
			return;
		}
	}
	_exit(EXIT_OK);
}

/* With a connection on fd 0: the greeting that a warm process would send. */
static void
serve_greet(const struct conf *conf)
{
	instant deadline = clock_in(conf->helper_timeout * 1000);
	struct sbuf frame;
	bool go;

	sbuf_init(&frame, HELLO_MAX);
	go = how->hello(how->context, &frame) && !frame.bad;
	if (io_write(1, frame.s, frame.len, deadline) != IO_OK || !go)
		_exit(go ? EXIT_TEMP : EXIT_OK);
	sbuf_free(&frame);
}

void
serve_connections(const struct confine *keep, const struct conf *conf)
{
	if (warm.argv != NULL)
		serve_warmly(&warm, keep, conf);
	else if (how->hello != NULL)
		serve_greet(conf);
}

void
serve_confine(const struct confine *keep, const struct conf *conf)
{
	if (warm.argv != NULL && !how->execs)
		confine_forked(keep, conf);
	else
		confine(keep, conf);
}
