/* SPDX-License-Identifier: ISC */
/* The listener of a warm helper: keeps one warm process, and renews it. */
#include "warm.h"

#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bufio.h"
#include "log.h"
#include "helper.h"
#include "readfile.h"

#define WARM_MAX 1000  /* processes, all but one of them retired */
#define AGAIN_MS 1000  /* after a start that failed */
#define READY_MS 60000 /* for a start */
#define FULL_MS 10000  /* for others to take descriptors that are under way */
#define BROKEN_MS (60 * 1000) /* until a broken file is tried again */
#define COARSE_US 20000       /* how late the time of a file may be */
#define VARIABLE "SMTPD_WARM"

/* --- messages ---------------------------------------------------------------- */

/* Descriptors under way count for their user, whichever process sends them. */
static bool
may_wait(instant end)
{
	if (errno != ETOOMANYREFS || clock_left(end) == 0)
		return errno == EINTR;
	(void)poll(NULL, 0, 10);
	return true;
}

bool
warm_send(int sock, enum warm_word word, unsigned n, int fd)
{
	struct warm_message w = { .word = word, .n = n };
	struct iovec v = { .iov_base = &w, .iov_len = sizeof(w) };
	instant end = clock_in(FULL_MS);
	ssize_t r;

	do
		r = io_send_fds(sock, &v, 1, &fd, fd == -1 ? 0 : 1, 0);
	while (r == -1 && may_wait(end));
	return r == (ssize_t)sizeof(w);
}

bool
warm_receive(int sock, struct warm_message *w, int *fd)
{
	size_t nfds = 1;
	ssize_t r;

	*fd = -1;
	do
		r = io_recv_fds(sock, w, sizeof(*w), fd, &nfds, 0);
	while (r == -1 && errno == EINTR);
	return r == (ssize_t)sizeof(*w);
}

bool
warm_is(uint64_t *since)
{
	const char *text = getenv(VARIABLE);

	return text != NULL && span_u64(span_str(text), UINT64_MAX, since);
}

/* --- the files that a warm process has read ------------------------------------ */

/*
 * A file as it was when it was read, when a successor was asked for, and when
 * one was that has failed.
 */
struct reading {
	const char *path;
	struct stat read, asked, refused; /* all zero: it did not exist */
};

static struct reading *reads;
static size_t nreads;
static uint64_t started;   /* us: nothing was read before */
static bool read_too_late; /* a file may have changed since it was read */
static instant refused_until;

static struct stat
warm_look_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st : (struct stat){ .st_size = 0 };
}

void
warm_reads_begin(uint64_t since)
{
	started = since;
}

bool
warm_reads_add(const char *path)
{
	struct stat st;
	uint64_t changed;
	struct reading *more = reallocarray(reads, nreads + 1, sizeof(*reads));

	if (more == NULL)
		return false;
	reads = more;
	st = warm_look_at(path);
	changed = readfile_changed_us(&st);
	/* A time to come says nothing: the clock was set back. */
	if (changed + COARSE_US >= started && changed <= clock_wall_us())
		read_too_late = true;
	reads[nreads++] = (struct reading){ path, st, st, st };
	return true;
}

/* Was no successor refused lately? */
bool
warm_reads_may_try(void)
{
	return refused_until == 0 || clock_left(refused_until) == 0;
}

/*
 * Has a file changed, and is there hope that a successor can read it? When one
 * is being started already, it is not known which of the changes it sees.
 */
bool
warm_reads_changed(bool asked)
{
	bool may = warm_reads_may_try(), changed = false;

	for (size_t i = 0; i < nreads; i++) {
		struct stat now = warm_look_at(reads[i].path);

		if ((read_too_late || !readfile_same(&now, &reads[i].read)) &&
		    (may || !readfile_same(&now, &reads[i].refused)))
			changed = true;
		if (!asked)
			reads[i].asked = now;
	}
	return changed;
}

/* No successor came of it: what was there is not tried again at once. */
void
warm_reads_refused(void)
{
	refused_until = clock_in(BROKEN_MS);
	for (size_t i = 0; i < nreads; i++)
		reads[i].refused = reads[i].asked;
}

/* --- the processes ------------------------------------------------------------ */

struct warm {
	pid_t pid;
	int sock;
	unsigned children; /* once it has retired */
};

#define UNKNOWN UINT_MAX /* children, until it has said so */

struct keeper {
	int listener; /* -1: SIGTERM has come */
	int signals;
	char *const *argv;
	struct warm of[WARM_MAX];
	unsigned n;
	pid_t current;   /* accepts; 0: no process does */
	pid_t coming;    /* is being started; 0: no process is */
	bool wanted;     /* a successor is */
	bool ever_ready; /* there was one that could start */
	instant again;   /* when to try; 0: at once */
	instant late;    /* when coming should be ready */
};

static struct warm *
warm_find(struct keeper *k, pid_t pid)
{
	for (unsigned i = 0; i < k->n; i++)
		if (k->of[i].pid == pid)
			return &k->of[i];
	return NULL;
}

/* A fresh exec: other addresses, another canary, the files as they are now. */
static pid_t
warm_exec(const struct keeper *k, int sock)
{
	char variable[64];
	static char path[] = "PATH=/usr/bin:/bin";
	char *env[] = { path, variable, NULL };
	const struct proc_fd fds[] = { { 0, k->listener }, { 1, 2 }, { 2, 2 },
		{ WARM_FD, sock } };
	pid_t pid;

	(void)snprintf(variable, sizeof(variable), VARIABLE "=%llu",
	    (unsigned long long)clock_wall_us());
	/* The running program, even if another file has its name by now. */
	pid = proc_spawn("/proc/self/exe", k->argv, env, fds, nitems(fds));
	if (pid == -1 && strchr(k->argv[0], '/') != NULL)
		pid = proc_spawn(k->argv[0], k->argv, env, fds, nitems(fds));
	return pid;
}

/* Returns its pid, or -1 with errno. */
static pid_t
warm_start(struct keeper *k)
{
	static const int few = 1; /* messages: the least that there is */
	int sv[2], saved;
	pid_t pid;

	if (k->n == WARM_MAX) {
		errno = EAGAIN;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		return -1;
	for (size_t i = 0; i < nitems(sv); i++)
		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &few,
		    sizeof(few));
	pid = warm_exec(k, sv[1]);
	saved = errno;
	(void)close(sv[1]);
	if (pid == -1)
		(void)close(sv[0]);
	else
		k->of[k->n++] = (struct warm){ .pid = pid, .sock = sv[0] };
	errno = saved;
	return pid;
}

/* No successor comes: the current process goes on. */
static void
warm_go_without(struct keeper *k)
{
	struct warm *current = warm_find(k, k->current);

	k->coming = 0;
	k->wanted = false;
	k->again = clock_in(AGAIN_MS);
	if (current != NULL)
		(void)warm_send(current->sock, WARM_GO_ON, 0, -1);
}

static void
warm_start_next(struct keeper *k)
{
	pid_t pid = warm_start(k);

	if (pid != -1) {
		k->coming = pid;
		k->late = clock_in(READY_MS);
		return;
	}
	warn_sys("cannot start '%s'", k->argv[0]);
	if (!k->ever_ready)
		_exit(EXIT_TEMP);
	warm_go_without(k);
}

/* --- their messages ------------------------------------------------------------- */

/* Tells the one that accepts how many others are at work; it waits for that. */
static void
tell_count(struct keeper *k)
{
	struct warm *current = warm_find(k, k->current);
	unsigned sum = 0;

	for (unsigned i = 0; i < k->n; i++) {
		if (k->of[i].pid == k->current)
			continue;
		if (k->of[i].children == UNKNOWN)
			return;
		sum += k->of[i].children;
	}
	if (current != NULL)
		(void)warm_send(current->sock, WARM_COUNT, sum, -1);
}

static void
warm_take_over(struct keeper *k, struct warm *w)
{
	struct warm *old = warm_find(k, k->current);

	k->current = w->pid;
	k->coming = 0;
	k->wanted = false;
	k->ever_ready = true;
	if (old != NULL) {
		old->children = UNKNOWN;
		(void)warm_send(old->sock, WARM_RETIRE, 0, -1);
	}
	tell_count(k);
}

static void
warm_take_message(struct keeper *k, struct warm *w)
{
	struct warm *current = warm_find(k, k->current);
	struct warm_message m;
	int fd;

	if (!warm_receive(w->sock, &m, &fd)) {
		(void)close(w->sock);
		w->sock = -1; /* its end will be seen as well */
		return;
	}
	switch (m.word) {
	case WARM_READY:
		warm_take_over(k, w);
		break;
	case WARM_RENEW:
		k->wanted = k->wanted || w->pid == k->current;
		if (m.n == 0)
			k->again = 0;
		break;
	case WARM_CONN:
		if (fd != -1 && current != NULL && current != w)
			(void)warm_send(current->sock, WARM_CONN, m.n, fd);
		break;
	case WARM_COUNT:
		w->children = m.n;
		tell_count(k);
		break;
	case WARM_RETIRE:
	case WARM_GO_ON:
	case WARM_STOP:
		break;
	}
	if (fd != -1)
		(void)close(fd);
}

/* --- their ends ------------------------------------------------------------------ */

/* It ended before it was ready, and has said why. */
static void
warm_failed(struct keeper *k, int status)
{
	if (!k->ever_ready && k->listener != -1)
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMP);
	warm_go_without(k);
}

static bool
is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
warm_ended(struct keeper *k, struct warm *w, int status)
{
	pid_t pid = w->pid;

	/* Connections may be among its last words. */
	while (w->sock != -1 && is_readable(w->sock))
		warm_take_message(k, w);
	if (w->sock != -1)
		(void)close(w->sock);
	*w = k->of[--k->n];
	if (pid == k->coming) {
		warm_failed(k, status);
	} else if (pid == k->current) {
		k->current = 0;
		if (k->listener != -1)
			warn("the warm process died: %s %d",
			    WIFSIGNALED(status) ? "signal" : "exit",
			    WIFSIGNALED(status) ? WTERMSIG(status) :
						  WEXITSTATUS(status));
	}
	tell_count(k);
}

static void
warm_reap(struct keeper *k)
{
	struct warm *w;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((w = warm_find(k, pid)) != NULL)
			warm_ended(k, w, status);
}

static void
warm_stop(struct keeper *k)
{
	(void)close(k->listener);
	k->listener = -1;
	for (unsigned i = 0; i < k->n; i++)
		if (k->of[i].sock != -1)
			(void)warm_send(k->of[i].sock, WARM_STOP, 0, -1);
	if (k->coming != 0)
		(void)kill(k->coming, SIGTERM);
}

static void
warm_take_signals(struct keeper *k)
{
	struct signalfd_siginfo si[2];
	ssize_t n = read(k->signals, si, sizeof(si));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(si[0]); i++)
		if (si[i].ssi_signo == SIGTERM && k->listener != -1)
			warm_stop(k);
	warm_reap(k);
}

/* --- the loop ---------------------------------------------------------------------- */

/* Its end will be seen. */
static int
warm_hurry(struct keeper *k)
{
	if (clock_left(k->late) == 0) {
		warn("process %ld is not ready after %d s", (long)k->coming,
		    READY_MS / 1000);
		(void)kill(k->coming, SIGKILL);
		k->late = NEVER;
	}
	return clock_left(k->late);
}

/* How long there is nothing to do; a start that is due is made. */
static int
warm_patience(struct keeper *k)
{
	if (k->coming != 0)
		return warm_hurry(k);
	if (k->listener == -1 || (!k->wanted && k->current != 0))
		return -1;
	if (k->again == 0 || clock_left(k->again) == 0) {
		k->again = 0;
		warm_start_next(k);
	}
	return k->coming != 0 ? clock_left(k->late) : clock_left(k->again);
}

static void
warm_turn(struct keeper *k)
{
	static struct pollfd p[WARM_MAX + 1];
	pid_t pids[WARM_MAX];
	int wait = warm_patience(k);
	unsigned n = k->n;

	for (unsigned i = 0; i < n; i++) {
		pids[i] = k->of[i].pid;
		p[i] = (struct pollfd){ .fd = k->of[i].sock, .events = POLLIN };
	}
	p[n] = (struct pollfd){ .fd = k->signals, .events = POLLIN };
	if (poll(p, n + 1, wait) <= 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct warm *w = warm_find(k, pids[i]);

		if (p[i].revents != 0 && w != NULL && w->sock != -1)
			warm_take_message(k, w);
	}
	if (p[n].revents != 0)
		warm_take_signals(k);
}

_Noreturn void
warm_keep(int listener, char *const argv[])
{
	static struct keeper k;
	sigset_t set;

	k.listener = listener;
	k.argv = argv;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k.signals == -1)
		die_sys(EXIT_TEMP, "cannot listen");
	while (k.listener != -1 || k.n > 0)
		warm_turn(&k);
	_exit(EXIT_OK);
}
