/* SPDX-License-Identifier: ISC */
/* A warm helper, and the tests' side of it. */
#ifndef WARM_SERVER_H
#define WARM_SERVER_H

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "serve.h"
#include "tap.h"

/*
 * The test is its own warm helper: "server DIR LIMIT" serves, from the file
 * DIR/file. Each connection is greeted with what stood there. The process for
 * a connection says what it is, then echoes; "!" and "#STATUS" end it.
 */
#define USER 60001 /* in place of root, whom some limits do not concern */

enum place { TEXT, STACK, HEAP, MAP, CANARY, PLACES };
#ifdef __SANITIZE_ADDRESS__
#define FIXED HEAP
#else
#define FIXED PLACES
#endif

static char self[4096];

/* Both clocks of the server are off by so many seconds. */
static struct shift {
	int64_t wall, steady;
} none, *shift = &none;

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	t->tv_sec += id == CLOCK_REALTIME ? shift->wall : shift->steady;
	return r;
}

static void
share_clock(const char *dir)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/clock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1 || ftruncate(fd, sizeof(*shift)) == -1)
		abort();
	(void)fchmod(fd, 0666);
	shift = mmap(NULL, sizeof(*shift), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (shift == MAP_FAILED)
		abort();
	(void)close(fd);
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	(void)close(fd);
}

/* --- the server's side -------------------------------------------------- */

static char version[64];

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The file says, too, what happens while it is read. */
static void
prepare(const char *dir, const char *path)
{
	char gate[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, version, sizeof(version) - 1);

	(void)close(fd);
	if (n < 0)
		die(EXIT_TEMP, "no file");
	version[n] = '\0';
	if (begins(version, "broken"))
		die(EXIT_PERM, "the file is broken");
	if (begins(version, "mends")) {
		write_file(path, "mended");
		die(EXIT_PERM, "the file was broken");
	}
	if (begins(version, "changes"))
		write_file(path, "changed");
	(void)snprintf(gate, sizeof(gate), "%s/gate", dir);
	while (begins(version, "waits") && access(gate, F_OK) == -1)
		(void)poll(NULL, 0, 5);
	if (begins(version, "waits in vain"))
		die(EXIT_PERM, "it waited in vain");
}

static bool
hello(void *context, struct sbuf *frame)
{
	(void)context;
	sbuf_addf(frame, "hello %s\n", version);
	return !begins(version, "unwelcome");
}

/* As a program with a fault does, without a word of a sanitizer. */
static void
die_by_fault(void)
{
	(void)signal(SIGSEGV, SIG_DFL);
	(void)raise(SIGSEGV);
}

static int
handler(void)
{
	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	unsigned long canary = 0;
	static char *heap;
	char s[512];
	int n;
	ssize_t r;

	heap = malloc(1);
	for (size_t i = 0; i < sizeof(canary); i++)
		canary = canary << 8 | random[i];
	n = snprintf(s, sizeof(s),
	    "%ld %ld %lx %lx %lx %lx %lx:", (long)getpid(),
	    syscall(SYS_getppid), (unsigned long)handler, (unsigned long)s,
	    (unsigned long)heap, (unsigned long)getauxval(AT_SYSINFO_EHDR),
	    canary);
	for (int fd = 0; fd < 100; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			n += snprintf(s + n, sizeof(s) - (size_t)n, " %d", fd);
	s[n++] = '\n';
	(void)!write(1, s, (size_t)n);
	while ((r = read(0, s, sizeof(s))) > 0) {
		if (s[0] == '!')
			die_by_fault();
		if (s[0] == '#')
			return (s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] -
			    '0';
		(void)!write(1, s, (size_t)r);
	}
	return 0;
}

static int
server(char *argv[])
{
	static const struct confine keep = {
		.calls = { SYS_getpid, SYS_getppid, SYS_tgkill, SYS_fcntl },
		.paths = { { "/dev/null", CONFINE_READ } },
	};
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE,
		.limit = (unsigned)strtoul(argv[3], NULL, 10),
		.hello = hello };
	static const char *args[] = { "-c", "/dev/null" };
	static struct conf conf;
	static char path[64];

	progname = "warm-test";
	(void)signal(SIGPIPE, SIG_IGN);
	share_clock(argv[2]);
	conf_init(&conf);
	conf.args = args;
	conf.nargs = nitems(args);
#ifndef __SANITIZE_ADDRESS__
	conf.confine = "kill";
#endif
	serve_warm(argv, &how);
	(void)snprintf(path, sizeof(path), "%s/file", argv[2]);
	prepare(argv[2], path);
	for (int i = 0; i < 300; i++)
		serve_reads("/dev/null");
	serve_reads(path);
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) == -1)
		return 1;
	serve_connections(&keep, &conf);
	serve_confine(&keep, &conf);
	return handler();
}

/* --- the tests' side ---------------------------------------------------- */

static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static char dir[] = "/tmp/warm-XXXXXX", file[64], gate[64];
static pid_t keeper;
static int errors = -1; /* the server's stderr, and what came from it: */
static char log_text[1 << 20];
static size_t log_len;
static bool become_user;

/* What the process of a connection says. */
struct seen {
	int conn;
	char greeting[64];
	long pid, warm;
	unsigned long at[PLACES];
	char fds[128];
};

/* Starts a server on a new socket. */
static void
start(const char *text, const char *limit)
{
	int l = socket(AF_UNIX, SOCK_STREAM, 0), e[2];

	*shift = (struct shift){ 0, 0 };
	(void)unlink(addr.sun_path);
	(void)unlink(gate);
	write_file(file, text);
	if (l == -1 || bind(l, (void *)&addr, sizeof(addr)) == -1 ||
	    listen(l, 500) == -1 || pipe2(e, O_CLOEXEC | O_NONBLOCK) == -1)
		abort();
	keeper = fork();
	if (keeper == 0) {
		(void)dup2(e[1], 2);
		(void)dup2(2, 1);
		(void)dup2(l, 0);
		for (int fd = 3; fd < 1000; fd++)
			(void)close(fd);
		if (become_user && setuid(USER) == -1)
			_exit(98);
		(void)execl(self, self, "server", dir, limit, (char *)NULL);
		_exit(99);
	}
	(void)close(l);
	(void)close(e[1]);
	if (errors != -1)
		(void)close(errors);
	errors = e[0];
	log_len = 0;
}

/* How often it was said since the start. */
__attribute__((unused)) static unsigned
count_said(const char *what)
{
	unsigned count = 0;
	ssize_t r;

	while (log_len < sizeof(log_text) - 1 &&
	    (r = read(errors, log_text + log_len,
		 sizeof(log_text) - 1 - log_len)) > 0)
		log_len += (size_t)r;
	log_text[log_len] = '\0';
	for (const char *p = log_text; (p = strstr(p, what)) != NULL; p++)
		count++;
	return count;
}

__attribute__((unused)) static bool
becomes_said(const char *what, unsigned times)
{
	instant end = clock_in(20000);

	while (count_said(what) < times)
		if (clock_left(end) == 0)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (void *)&addr, sizeof(addr)) == -1)
		abort();
	return fd;
}

static void
say(int fd, const char *s)
{
	(void)send(fd, s, strlen(s), MSG_NOSIGNAL);
}

__attribute__((unused)) static bool
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

/* Does the connection end within 20 s, or break, without another word? */
__attribute__((unused)) static bool
ends(int fd)
{
	char c;

	return readable(fd, 20000) && read(fd, &c, 1) <= 0;
}

/* A connection that has been greeted and says nothing. */
static int
silent(void)
{
	int fd = dial();

	if (!begins(line(fd), "hello "))
		abort();
	return fd;
}

/* Speaks on a connection, and hears who serves it. */
static bool
speak(int conn, struct seen *who)
{
	const char *s;
	int at = 0;

	say(conn, "x\n");
	s = line(conn);
	who->conn = conn;
	if (sscanf(s, "%ld %ld %lx %lx %lx %lx %lx:%n", &who->pid, &who->warm,
		&who->at[TEXT], &who->at[STACK], &who->at[HEAP], &who->at[MAP],
		&who->at[CANARY], &at) != 7) {
		note("no such line: %s", s);
		return false;
	}
	(void)snprintf(who->fds, sizeof(who->fds), "%s", s + at);
	return strcmp(line(conn), "x\n") == 0;
}

static struct seen
served(void)
{
	struct seen who = { .conn = dial() };

	(void)snprintf(who.greeting, sizeof(who.greeting), "%s",
	    line(who.conn));
	ok(speak(who.conn, &who), "a connection is served");
	return who;
}

__attribute__((unused)) static bool
is_alive(const struct seen *who)
{
	say(who->conn, "still\n");
	return strcmp(line(who->conn), "still\n") == 0;
}

static void
leave(struct seen *who)
{
	(void)close(who->conn);
}

/* To its warm process; to nobody when none was seen. */
__attribute__((unused)) static void
signal_to(const struct seen *who, int number)
{
	if (who->warm > 1)
		(void)kill((pid_t)who->warm, number);
}

/* Its end, when the connection is closed there. */
__attribute__((unused)) static void
kill_by(struct seen *who, const char *how)
{
	say(who->conn, how);
	(void)line(who->conn);
	leave(who);
}

__attribute__((unused)) static bool
is_where(const struct seen *a, const struct seen *b)
{
	return memcmp(a->at, b->at, sizeof(a->at)) == 0;
}

__attribute__((unused)) static bool
is_elsewhere(const struct seen *a, const struct seen *b)
{
	for (size_t i = 0; i < PLACES; i++)
		if (a->at[i] == b->at[i] && i != FIXED) {
			note("the same place %zu", i);
			return false;
		}
	return true;
}

/* How the listener ends, within 20 s; else it is killed. */
static int
ended(void)
{
	instant end = clock_in(20000);
	int status = -1;

	while (waitpid(keeper, &status, WNOHANG) == 0) {
		if (clock_left(end) == 0)
			(void)kill(keeper, SIGKILL);
		(void)poll(NULL, 0, 2);
	}
	return status;
}

static void
stop(void)
{
	(void)kill(keeper, SIGTERM);
	is_num(ended(), 0, "SIGTERM: exit 0");
}

/* Does it become so, within 20 s? */
__attribute__((unused)) static bool
becomes_gone(long pid)
{
	instant end = clock_in(20000);

	while (kill((pid_t)pid, 0) == 0)
		if (clock_left(end) == 0)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

/* Does its state, a letter of ps(1), become this? */
static bool
state_becomes(long pid, char state)
{
	char path[64], s[512] = "";
	const char want[] = { ')', ' ', state, ' ', '\0' };
	instant end = clock_in(20000);
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	while (clock_left(end) > 0 && strstr(s, want) == NULL) {
		(void)poll(NULL, 0, 5);
		f = fopen(path, "r");
		if (f == NULL)
			return false;
		s[fread(s, 1, sizeof(s) - 1, f)] = '\0';
		(void)fclose(f);
	}
	return strstr(s, want) != NULL;
}

/* Is a process asleep: has it seen all that came? */
__attribute__((unused)) static bool
waits(long pid)
{
	return state_becomes(pid, 'S');
}

/* Which descriptors it has, whatever their numbers. */
__attribute__((unused)) static bool
has_fds(long pid, const char *want)
{
	char path[64], target[128], s[1024] = "";
	int n = 0;

	for (int fd = 0; fd < 100; fd++) {
		ssize_t r;

		(void)snprintf(path, sizeof(path), "/proc/%ld/fd/%d", pid, fd);
		r = readlink(path, target, sizeof(target) - 1);
		if (r == -1)
			continue;
		target[r] = '\0';
		target[strcspn(target, ":[")] = '\0';
		n += snprintf(s + n, sizeof(s) - (size_t)n, "%s%s",
		    n == 0 ? "" : " ", target);
	}
	if (strcmp(s, want) == 0)
		return true;
	note("descriptors: %s", s);
	return false;
}

static unsigned
children_of(long pid)
{
	char path[64], s[16384];
	FILE *f;
	unsigned n = 0;
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid,
	    pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	s[fread(s, 1, sizeof(s) - 1, f)] = '\0';
	(void)fclose(f);
	for (at = s; (at = strchr(at, ' ')) != NULL; at++)
		n++;
	return n;
}

/* The first one. */
__attribute__((unused)) static long
child_of(long pid)
{
	char path[64];
	long child = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid,
	    pid);
	f = fopen(path, "r");
	if (f != NULL && fscanf(f, "%ld", &child) != 1)
		child = -1;
	if (f != NULL)
		(void)fclose(f);
	return child;
}

static bool
children_become(long pid, unsigned n)
{
	instant end = clock_in(20000);

	while (children_of(pid) != n)
		if (clock_left(end) == 0)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

__attribute__((unused)) static void
is_served_by(const char *greeting, const char *what)
{
	struct seen who = served();
	char want[64];

	(void)snprintf(want, sizeof(want), "hello %s\n", greeting);
	is_str(who.greeting, want, "%s", what);
	leave(&who);
}

/* Connects until another warm process serves. */
__attribute__((unused)) static bool
is_renewed(const struct seen *a, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		struct seen who = { .conn = dial() };
		bool good = begins(line(who.conn), "hello ") &&
		    speak(who.conn, &who);

		leave(&who);
		if (!good || who.warm != a->warm)
			return good && is_elsewhere(a, &who);
	}
	return false;
}

/* Is it the server that was started? Else gets ready for the tests. */
static bool
warm_serves(int argc, char *argv[], int *status)
{
	ssize_t n;

	if (argc == 4 && strcmp(argv[1], "server") == 0) {
		*status = server(argv);
		return true;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n == -1 || mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		abort();
	for (int fd = 3; fd < 1000; fd++)
		(void)close(fd);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", dir);
	(void)snprintf(file, sizeof(file), "%s/file", dir);
	(void)snprintf(gate, sizeof(gate), "%s/gate", dir);
	share_clock(dir);
	return false;
}

static int
warm_done(void)
{
	static const char *const names[] = { "s", "file", "gate", "clock" };
	char path[64];

	for (size_t i = 0; i < nitems(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
	return done();
}

#endif
