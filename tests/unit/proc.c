/* SPDX-License-Identifier: ISC */
/* Children: their descriptors, environment and signals, and failed execs. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "helper.h"
#include "tap.h"

static char self[] = "/proc/self/exe", report_arg[] = "report";
static char *const report_argv[] = { self, report_arg, NULL };

/* Number of /dev/<name> that fd is open on, or '-'. */
static char
kind(int fd)
{
	static const char *const names[] = { "/dev/null", "/dev/zero",
		"/dev/full" };
	struct stat want, st;

	if (fstat(fd, &st) == -1)
		return '-';
	for (size_t i = 0; i < nitems(names); i++)
		if (stat(names[i], &want) == 0 && want.st_rdev == st.st_rdev)
			return (char)('0' + (int)i);
	return 'x';
}

/* In the child: says on 9 what it found. */
static int
report(void)
{
	extern char **environ;
	sigset_t mask;
	char s[256];
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		if (fd == 9)
			s[n++] = '9';
		else if (fd < 12 || kind(fd) != '-')
			s[n++] = kind(fd);
	n += snprintf(s + n, sizeof(s) - (size_t)n, " %s%s ", environ[0],
	    environ[1] == NULL ? "" : "...");
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < 32; i++) {
		struct sigaction sa;

		if (i == SIGSEGV || i == SIGBUS || i == SIGFPE)
			continue; /* sanitizers have taken them */
		if (sigaction(i, NULL, &sa) == 0 &&
		    (sigismember(&mask, i) || sa.sa_handler != SIG_DFL))
			n += snprintf(s + n, sizeof(s) - (size_t)n, "%d,", i);
	}
	return write(9, s, (size_t)n) == n ? 7 : 8;
}

static void
child_is(const char *want, const struct proc_fd *table, size_t n,
    const char *what)
{
	struct proc_fd with[16];
	char got[256];
	int p[2], status = -1;
	ssize_t r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) == -1)
		abort();
	memcpy(with, table, n * sizeof(*table));
	with[n] = (struct proc_fd){ 9, p[1] };
	pid = proc_spawn(self, report_argv, NULL, with, n + 1);
	(void)close(p[1]);
	r = read(p[0], got, sizeof(got));
	(void)close(p[0]);
	(void)waitpid(pid, &status, 0);
	is_span(span_of(got, r < 0 ? 0 : (size_t)r), span_str(want), "%s",
	    what);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: exits", what);
}

#define CHILD_IS(want, ...) \
	child_is(want " PATH=/usr/bin:/bin ", \
	    (const struct proc_fd[]){ __VA_ARGS__ }, \
	    nitems(((const struct proc_fd[]){ __VA_ARGS__ })), want)

static void
tables(void)
{
	/* 20 is null, 21 zero, 22 full; 0 is null, 1 and 2 are what they are */
	CHILD_IS("01x------9--", { 0, 20 }, { 1, 21 }, { 2, 2 });
	CHILD_IS("11x------9--", { 0, 21 }, { 1, 21 });
	CHILD_IS("--x------9--", { 2, 2 });
	CHILD_IS("0xx------9--", { 0, 0 }, { 1, 2 });
	CHILD_IS("x0x------9--", { 0, 1 }, { 1, 0 }, { 2, 2 });
	CHILD_IS("00x------9--", { 0, 0 }, { 1, 0 }, { 2, 2 });
	CHILD_IS("00x------9--", { 1, 0 }, { 0, 0 }, { 2, 2 });
	CHILD_IS("01x-2----9--", { 0, 20 }, { 1, 21 }, { 4, 22 });
	CHILD_IS("1-0------9--", { 0, 21 }, { 2, 0 });
	/* 6 and 7 are ours too: they change places */
	(void)dup3(20, 6, O_CLOEXEC);
	(void)dup3(21, 7, O_CLOEXEC);
	CHILD_IS("--x---10-9--", { 6, 7 }, { 7, 6 });
	CHILD_IS("1-x---00-9--", { 6, 6 }, { 7, 6 }, { 0, 7 });
	CHILD_IS("0-x----0-9--", { 7, 6 }, { 0, 20 });
	(void)close(6);
	(void)close(7);
}

static void
failures(void)
{
	static char no[] = "/nonexistent/program", dir[] = "/tmp";
	static char *const argv[] = { no, NULL };
	const struct proc_fd bad = { 0, 63 }, many[20] = { { 0, 0 } };
	int before = dup(0), after, status;

	(void)close(before);
	errno = 0;
	is_num(proc_spawn(no, argv, NULL, NULL, 0), -1, "no such program");
	is_num(errno, ENOENT, "ENOENT");
	is_num(proc_spawn(dir, argv, NULL, NULL, 0), -1, "a directory");
	is_num(errno, EACCES, "EACCES");
	is_num(proc_spawn(self, report_argv, NULL, &bad, 1), -1, "not open");
	is_num(errno, EBADF, "EBADF");
	is_num(proc_spawn(self, report_argv, NULL, many, 20), -1, "too many");
	is_num(errno, EINVAL, "EINVAL");
	is_num(waitpid(-1, &status, WNOHANG), -1, "no zombie is left");
	after = dup(0);
	is_num(after, before, "nor a descriptor");
	(void)close(after);
}

static void
environments(void)
{
	static char a[] = "A=1", b[] = "B=2";
	static char *const envp[] = { a, b, NULL };
	char got[256];
	int p[2], status;
	ssize_t n;
	const char *at;

	(void)setenv("SECRET", "x", 1);
	CHILD_IS("--x------9--", { 2, 2 });
	if (pipe2(p, O_CLOEXEC) == -1)
		abort();
	(void)proc_spawn(self, report_argv, envp, &(struct proc_fd){ 9, p[1] },
	    1);
	n = read(p[0], got, sizeof(got) - 1);
	got[n < 0 ? 0 : n] = '\0';
	at = strstr(got, " A=1... ");
	ok(at != NULL, "a given environment");
	(void)wait(&status);
	(void)close(p[0]);
	(void)close(p[1]);
}

static void
on_signal(int sig)
{
	(void)sig;
}

static void
signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT,
		SIGCHLD, SIGALRM, SIGUSR1, SIGUSR2, SIGTTOU };
	sigset_t all;

	for (size_t i = 0; i < nitems(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	CHILD_IS("--x------9--", { 2, 2 });
}

int
main(int argc, char *argv[])
{
	int null;

	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return report();
	/* Whoever started us may have left something open. */
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)dup2(null, 0);
	(void)dup3(null, 20, O_CLOEXEC);
	(void)close(null);
	for (int fd = 21; fd <= 22; fd++) {
		int dev = open(fd == 21 ? "/dev/zero" : "/dev/full",
		    O_RDWR | O_CLOEXEC);

		(void)dup3(dev, fd, O_CLOEXEC);
		(void)close(dev);
	}
	/* 1 and 2 must not look like any of the three. */
	if (kind(1) != 'x') {
		skipped("nobody reads this");
		return done();
	}
	(void)dup2(1, 2);
	tables();
	failures();
	environments();
	signals();
	return done();
}
