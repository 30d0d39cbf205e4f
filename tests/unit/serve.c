/* SPDX-License-Identifier: ISC */
/* The listener: when it starts a process, how many, and how it goes on. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "serve.h"
#include "tap.h"

/*
 * This program is its own server: "server START LIMIT" serves; the process
 * for a connection says what it has, then echoes. So says, too, a server that
 * was given no listening socket.
 */
static char self[4096];

static int
handler(void)
{
	char s[512];
	int n = 0, on = 0;
	socklen_t len = sizeof(on);
	sigset_t mask;
	ssize_t r;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	(void)getsockopt(0, IPPROTO_TCP, TCP_NODELAY, &on, &len);
	for (int fd = 0; fd < 100; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			n += snprintf(s + n, sizeof(s) - (size_t)n, "%d ", fd);
	n += snprintf(s + n, sizeof(s) - (size_t)n, "%s %s %s %s\n",
	    on != 0 ? "nodelay" : "delay",
	    sigismember(&mask, SIGTERM) || sigismember(&mask, SIGCHLD) ?
		"masked" :
		"unmasked",
	    getenv("LISTEN_FDS") == NULL ? "clean" : "dirty",
	    (fcntl(0, F_GETFL) & O_NONBLOCK) != 0 ? "nonblocking" : "blocking");
	(void)!write(1, s, (size_t)n);
	while ((r = read(0, s, sizeof(s))) > 0) {
		if (s[0] == '!') /* die as a program with a fault does */
			(void)raise(SIGABRT);
		if (s[0] == '#')
			return s[1] == 't' ? 111 : 101;
		(void)!write(1, s, (size_t)r);
	}
	return 0;
}

static int
server(char *argv[])
{
	struct rlimit nofile = { 12, 12 };

	progname = "serve-test";
	if (strcmp(argv[2], "few") == 0)
		(void)setrlimit(RLIMIT_NOFILE, &nofile);
	serve(argv,
	    strcmp(argv[2], "accept") == 0     ? SERVE_AT_ACCEPT :
		strcmp(argv[2], "report") == 0 ? SERVE_AND_REPORT :
						 SERVE_AT_FIRST_BYTE,
	    (unsigned)strtoul(argv[3], NULL, 10));
	return handler();
}

/* --- the tests' side ---------------------------------------------------- */

static union {
	struct sockaddr sa;
	struct sockaddr_un un;
	struct sockaddr_in in;
} addr;
static socklen_t addrlen;
static pid_t pid;
static int errors = -1; /* the server's stderr */
static char dir[] = "/tmp/serve-XXXXXX";

enum given { AS_0, AS_3, AS_3_FOR_ANOTHER };

/* Starts a server on a new socket. */
static void
start(int family, const char *when, const char *limit, enum given given,
    const char *program)
{
	int l = socket(family, SOCK_STREAM, 0), e[2];
	char text[16];

	addr.sa.sa_family = (sa_family_t)family;
	addrlen = family == AF_UNIX ? sizeof(addr.un) : sizeof(addr.in);
	if (family == AF_UNIX) {
		(void)snprintf(addr.un.sun_path, sizeof(addr.un.sun_path),
		    "%s/s", dir);
		(void)unlink(addr.un.sun_path);
	} else {
		addr.in.sin_port = 0;
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	if (l == -1 || bind(l, &addr.sa, addrlen) == -1 ||
	    listen(l, 50) == -1 || getsockname(l, &addr.sa, &addrlen) == -1 ||
	    pipe2(e, O_CLOEXEC | O_NONBLOCK) == -1)
		abort();
	pid = fork();
	if (pid == 0) {
		(void)dup2(e[1], 2);
		(void)snprintf(text, sizeof(text), "%ld",
		    (long)getpid() + (given == AS_3_FOR_ANOTHER));
		(void)setenv("LISTEN_PID", text, 1);
		(void)setenv("LISTEN_FDS", "1", 1);
		/* Our end of these must not be what 3 becomes. */
		(void)dup2(l, given == AS_0 ? 0 : 3);
		if (given != AS_0)
			(void)dup2(open("/dev/null", O_RDWR), 0);
		(void)dup2(2, 1);
		for (int fd = given == AS_0 ? 3 : 4; fd < 100; fd++)
			(void)close(fd);
		(void)execl(program, program, "server", when, limit,
		    (char *)NULL);
		_exit(99);
	}
	(void)close(l);
	(void)close(e[1]);
	if (errors != -1)
		(void)close(errors);
	errors = e[0];
}

static int
dial(void)
{
	int fd = socket(addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, &addr.sa, addrlen) == -1)
		abort();
	return fd;
}

static void
say(int fd, const char *s)
{
	(void)send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static bool
readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* The next line, within 20 s; "" at the end. */
static const char *
line(int fd)
{
	static char s[600];
	size_t n = 0;

	while (n < sizeof(s) - 1 && readable(fd, 20000) &&
	    read(fd, s + n, 1) == 1)
		if (s[n++] == '\n')
			break;
	s[n] = '\0';
	return s;
}

/* Children of the server, zombies too. */
static unsigned
children(void)
{
	char path[64], s[4096];
	FILE *f;
	unsigned n = 0;
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children",
	    (long)pid, (long)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	s[fread(s, 1, sizeof(s) - 1, f)] = '\0';
	(void)fclose(f);
	for (at = s; (at = strchr(at, ' ')) != NULL; at++)
		n++;
	return n;
}

/* Waits until so many children are there. */
static bool
children_become(unsigned n)
{
	instant end = clock_in(20000);

	while (children() != n)
		if (clock_left(end) == 0)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

static bool
server_waits(void)
{
	char path[64], s[512] = "";
	instant end = clock_in(20000);
	FILE *f;

	/* "pid (comm) S": asleep in its loop, all that came is handled */
	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	while (clock_left(end) > 0 && strstr(s, ") S ") == NULL) {
		(void)poll(NULL, 0, 5);
		f = fopen(path, "r");
		if (f == NULL)
			return false;
		s[fread(s, 1, sizeof(s) - 1, f)] = '\0';
		(void)fclose(f);
	}
	return strstr(s, ") S ") != NULL;
}

static int
ended(void)
{
	int status = -1;

	(void)waitpid(pid, &status, 0);
	return status;
}

static void
stop(void)
{
	(void)kill(pid, SIGTERM);
	is_num(ended(), 0, "SIGTERM: exit 0");
}

static void
at_first_byte(void)
{
	int c[3];

	start(AF_UNIX, "first", "10", AS_0, self);
	for (size_t i = 0; i < nitems(c); i++)
		c[i] = dial();
	ok(server_waits(), "three have come");
	is_num(children(), 0, "the silent cost no process");
	say(c[1], "hello\n");
	is_str(line(c[1]), "0 1 2 delay unmasked clean blocking\n",
	    "who speaks is served");
	is_str(line(c[1]), "hello\n", "and has lost nothing");
	is_num(children(), 1, "by one process");
	(void)close(c[0]);
	ok(server_waits(), "one goes without a word");
	is_num(children(), 1, "and cost nothing");
	(void)shutdown(c[2], SHUT_WR);
	is_str(line(c[2]), "", "who ends before a word gets an end");
	say(c[1], "again\n");
	is_str(line(c[1]), "again\n", "the first is served on");
	(void)close(c[1]);
	ok(children_become(0), "its process ends and is reaped");
	c[1] = dial();
	say(c[1], "bye\n");
	(void)shutdown(c[1], SHUT_WR);
	(void)line(c[1]);
	is_str(line(c[1]), "bye\n", "a word and an end at once");
	is_str(line(c[1]), "", "are served, and ended");
	(void)close(c[1]);
	(void)close(c[2]);
	stop();
}

static void
at_accept(void)
{
	int c, d;

	start(AF_INET, "accept", "1", AS_0, self);
	c = dial();
	is_str(line(c), "0 1 2 nodelay unmasked clean blocking\n",
	    "at accept: served before a word, without delay");
	d = dial();
	ok(server_waits(), "a second one comes");
	ok(!readable(d, 0), "beyond the limit it waits");
	(void)close(c);
	is_str(line(d), "0 1 2 nodelay unmasked clean blocking\n",
	    "for its turn");
	(void)close(d);
	stop();
}

static void
limits(void)
{
	int c[5], in_line = 0;

	start(AF_UNIX, "first", "2", AS_0, self);
	for (size_t i = 0; i < nitems(c); i++) {
		c[i] = dial();
		say(c[i], "x\n");
	}
	ok(children_become(2), "two of five at once");
	ok(server_waits(), "no more");
	is_num(children(), 2, "two it is");
	for (size_t i = 0; i < nitems(c); i++)
		in_line += !readable(c[i], i < 2 ? 20000 : 0);
	is_num(in_line, 3, "three wait");
	for (size_t i = 0; i < nitems(c); i++) {
		(void)line(c[i]);
		is_str(line(c[i]), "x\n", "%zu is served", i);
		(void)close(c[i]);
	}
	ok(children_become(0), "all end");
	stop();
}

static void
many(void)
{
	int c[400];
	unsigned good = 0;

	start(AF_UNIX, "first", "300", AS_0, self);
	for (size_t i = 0; i < nitems(c); i++)
		c[i] = dial();
	for (size_t i = 0; i < nitems(c); i++)
		say(c[i], "x\n");
	for (size_t i = 0; i < nitems(c); i++) {
		(void)line(c[i]);
		good += strcmp(line(c[i]), "x\n") == 0;
		(void)close(c[i]);
	}
	is_num(good, nitems(c), "400 at once under a limit of 300");
	ok(children_become(0), "and all are reaped");
	stop();
}

static void
stops_gently(void)
{
	int silent, speaking, full;

	start(AF_UNIX, "first", "1", AS_0, self);
	silent = dial();
	speaking = dial();
	say(speaking, "a\n");
	(void)line(speaking);
	(void)line(speaking);
	full = dial();
	say(full, "b\n");
	ok(server_waits(), "one is served, one is silent, one in line");
	(void)kill(pid, SIGTERM);
	is_str(line(silent), "", "SIGTERM: the silent one is sent away");
	is_num(connect(silent, &addr.sa, addrlen), -1, "nobody listens");
	(void)kill(pid, SIGTERM);
	say(speaking, "c\n");
	is_str(line(speaking), "c\n", "who is served is served on");
	is_num(waitpid(pid, NULL, WNOHANG), 0, "as long as he likes");
	(void)close(speaking);
	is_num(ended(), 0, "then exit 0");
	(void)close(silent);
	(void)close(full);
}

/* What the peer is told of a process that ends so. */
static void
reports(const char *start_when, const char *how, const char *want,
    const char *what)
{
	int c;

	start(AF_UNIX, start_when, "1", AS_0, self);
	c = dial();
	say(c, "x\n");
	(void)line(c);
	(void)line(c);
	say(c, how);
	is_str(line(c), want, "%s", what);
	(void)close(c);
	/* The place is free again. */
	c = dial();
	say(c, "y\n");
	(void)line(c);
	is_str(line(c), "y\n", "and the next is served");
	(void)close(c);
	stop();
}

static void
survives(void)
{
	char program[64];
	const char *s;
	int c, d[20];

	start(AF_UNIX, "first", "5", AS_0, self);
	c = dial();
	say(c, "x\n");
	(void)line(c);
	(void)line(c);
	say(c, "!");
	s = line(errors);
	ok(strncmp(s, "serve-test: warning: process ", 29) == 0 &&
		strstr(s, " died: signal=6\n") != NULL,
	    "a death is logged");
	(void)close(c);
	c = dial();
	say(c, "y\n");
	(void)line(c);
	is_str(line(c), "y\n", "and the next is served");
	(void)close(c);
	stop();

	reports("first", "!", "", "only who asks for it is told");
	reports("report", "!", "9:Dsignal=6,", "a signal is reported");
	reports("report", "#b", "9:Dexit=101,", "an exit of 101 is");
	reports("report", "#t", "", "not one of 111");

	/* An exec that fails, and then does not: an upgrade. */
	(void)snprintf(program, sizeof(program), "%s/program", dir);
	(void)symlink(self, program);
	start(AF_UNIX, "first", "5", AS_0, program);
	ok(server_waits(), "started through a link");
	(void)unlink(program);
	c = dial();
	say(c, "z\n");
	s = line(errors);
	ok(strstr(s, "cannot start '") != NULL, "a failed exec is logged");
	(void)symlink(self, program);
	(void)line(c);
	is_str(line(c), "z\n", "and tried again");
	(void)unlink(program);
	d[0] = dial();
	say(d[0], "z\n");
	is_str(line(d[0]), "", "in the end the connection is dropped");
	(void)symlink(self, program);
	(void)close(d[0]);
	d[0] = dial();
	say(d[0], "z\n");
	(void)line(d[0]);
	is_str(line(d[0]), "z\n", "and the listener goes on");
	(void)close(c);
	(void)close(d[0]);
	(void)unlink(program);
	stop();

	start(AF_UNIX, "few", "5", AS_0, self);
	for (size_t i = 0; i < nitems(d); i++)
		d[i] = dial();
	s = line(errors);
	ok(strstr(s, "cannot accept: Too many open files") != NULL,
	    "no descriptor left is logged");
	for (size_t i = 0; i < nitems(d) - 1; i++)
		(void)close(d[i]);
	say(d[nitems(d) - 1], "w\n");
	(void)line(d[nitems(d) - 1]);
	is_str(line(d[nitems(d) - 1]), "w\n", "and served when there is one");
	(void)close(d[nitems(d) - 1]);
	stop();
}

static void
given(void)
{
	int c, sv[2], p[2], status;

	start(AF_UNIX, "first", "5", AS_3, self);
	c = dial();
	say(c, "x\n");
	is_str(line(c), "0 1 2 delay unmasked clean blocking\n",
	    "a socket from systemd");
	(void)close(c);
	stop();
	start(AF_UNIX, "first", "5", AS_3_FOR_ANOTHER, self);
	is_num(ended(), 0, "one that was meant for another is not ours");

	(void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
	if (fork() == 0) {
		(void)dup2(sv[1], 0);
		(void)dup2(sv[1], 1);
		(void)execl(self, self, "server", "first", "5", (char *)NULL);
	}
	(void)close(sv[1]);
	say(sv[0], "x\n");
	(void)line(sv[0]);
	is_str(line(sv[0]), "x\n", "a connection is served at once");
	(void)close(sv[0]);
	(void)wait(&status);
	is_num(status, 0, "and by nobody else");

	(void)pipe2(p, O_CLOEXEC);
	(void)!write(p[1], "y\n", 2);
	(void)close(p[1]);
	if (fork() == 0) {
		(void)dup2(p[0], 0);
		(void)dup2(open("/dev/null", O_RDWR), 1);
		(void)execl(self, self, "server", "first", "5", (char *)NULL);
	}
	(void)close(p[0]);
	(void)wait(&status);
	is_num(status, 0, "a pipe is served too");
}

int
main(int argc, char *argv[])
{
	ssize_t n;

	if (argc == 4 && strcmp(argv[1], "server") == 0)
		return server(argv);
	(void)signal(SIGPIPE, SIG_IGN);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n == -1 || mkdtemp(dir) == NULL)
		abort();
	for (int fd = 3; fd < 100; fd++)
		(void)close(fd);
	at_first_byte();
	at_accept();
	limits();
	many();
	stops_gently();
	survives();
	given();
	(void)unlink(addr.un.sun_path);
	(void)rmdir(dir);
	return done();
}
