/* SPDX-License-Identifier: ISC */
/* A child that syncs: descriptors go to it, an errno comes back for each. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bufio.h"
#include "confine.h"
#include "log.h"
#include "scheduler.h"

#define RESTART_MS 1000 /* after a failed fork */
#define RENEW_MS 50 /* after a death: one that dies at once must not spin us */

void
sync_init(struct sync *y)
{
	*y = (struct sync){ .fd = -1, .tail = &y->head };
}

/* --- the child -------------------------------------------------------------- */

/* Gives the number of descriptors; 0 when the parent is gone. */
static size_t
sync_receive(int sock, int fds[2])
{
	size_t n;
	ssize_t r;
	char octet;

	do {
		n = 2;
		r = io_recv_fds(sock, &octet, 1, fds, &n, 0);
	} while (r == -1 && errno == EINTR);
	return r == 1 ? n : 0;
}

_Noreturn static void
sync_serve(int sock)
{
	int fds[2], err;
	size_t n;

	while ((n = sync_receive(sock, fds)) > 0) {
		err = fdatasync(fds[0]) == 0 ? 0 : errno;
		if (n > 1 && err == 0 && fsync(fds[1]) == -1)
			err = errno;
		for (size_t i = 0; i < n; i++)
			(void)close(fds[i]);
		if (send(sock, &err, sizeof(err), MSG_NOSIGNAL) !=
		    (ssize_t)sizeof(err))
			break;
	}
	_exit(0);
}

/*
 * The child must hold none of our descriptors: a copy of a message's keeps
 * its lock, a copy of the queue's lock keeps the next scheduler out.
 */
static void
sync_close_all_but(int sock)
{
	(void)close(0);
	(void)close(1);
	(void)syscall(SYS_close_range, 3U, (unsigned)sock - 1, 0U);
	(void)syscall(SYS_close_range, (unsigned)sock + 1, ~0U, 0U);
}

/* It syncs the logs that it is given, and does nothing else. */
static void
sync_confine(const struct conf *conf)
{
	static const struct confine keep = { .calls = {
						 SYS_fdatasync, SYS_fsync } };

	confine(&keep, conf);
}

bool
sync_start(struct sync *y, const struct conf *conf)
{
	int sv[2], saved;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		return false;
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGHUP, SIG_IGN);
		(void)signal(SIGTERM, SIG_IGN); /* ends with its parent */
		sync_close_all_but(sv[1]);
		if (conf != NULL)
			sync_confine(conf);
		sync_serve(sv[1]);
	}
	saved = errno;
	(void)close(sv[1]);
	if (pid == -1) {
		(void)close(sv[0]);
		errno = saved;
		return false;
	}
	y->fd = sv[0];
	y->nwritten = 0;
	return true;
}

/* --- the scheduler's side ---------------------------------------------------- */

static struct sync_sent *
sync_sent_at(struct sync *y, unsigned i)
{
	return &y->sent[(y->first + i) % SYNC_INFLIGHT];
}

void
sync_ask(struct sched *s, struct job *job)
{
	struct sync *y = &s->sync;

	if (job->sync == SYNC_SENT)
		job->sync = SYNC_AGAIN;
	if (job->sync != SYNC_NONE)
		return;
	job->sync = SYNC_LINE;
	job->sync_next = NULL;
	*y->tail = job;
	y->tail = &job->sync_next;
}

void
sync_forget(struct sched *s, struct job *job)
{
	struct sync *y = &s->sync;
	struct job **p = &y->head;

	for (unsigned i = 0; i < y->nsent; i++)
		if (sync_sent_at(y, i)->job == job)
			sync_sent_at(y, i)->job = NULL;
	if (job->sync == SYNC_LINE) {
		while (*p != job)
			p = &(*p)->sync_next;
		*p = job->sync_next;
		if (*p == NULL)
			y->tail = p;
	}
	job->sync = SYNC_NONE;
}

static void
sync_lose_child(struct sched *s)
{
	struct sync *y = &s->sync;

	warn("the child that syncs has died");
	(void)close(y->fd);
	y->fd = -1;
	y->nwritten = 0; /* the next one gets the same logs */
	y->again = s->now + RENEW_MS;
}

static void
sync_done(struct sched *s, int err)
{
	struct sync *y = &s->sync;
	struct sync_sent a = *sync_sent_at(y, 0);
	struct job *job = a.job;
	bool again;

	y->first = (y->first + 1) % SYNC_INFLIGHT;
	y->nsent--;
	y->nwritten--;
	(void)close(a.fd);
	if (a.dir != -1)
		(void)close(a.dir);
	if (job == NULL)
		return;
	again = job->sync == SYNC_AGAIN;
	job->sync = SYNC_NONE;
	errno = err;
	if (err != 0)
		warn_sys("cannot sync the log of '%s'", job->message->id);
	else if (a.dir != -1)
		job->log.fresh = false;
	if (again)
		sync_ask(s, job);
	else
		life_event(s, job->message,
		    err == 0 ? LIFE_SYNCED : LIFE_UNSYNCED);
}

void
sync_ready(struct sched *s)
{
	struct sync *y = &s->sync;
	ssize_t n;
	int err;

	while (y->fd != -1 && y->nwritten > 0) {
		n = recv(y->fd, &err, sizeof(err), MSG_DONTWAIT);
		if (n == (ssize_t)sizeof(err)) {
			sync_done(s, err);
			continue;
		}
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		sync_lose_child(s);
		return;
	}
	if (y->fd != -1 && recv(y->fd, &err, sizeof(err), MSG_DONTWAIT) == 0)
		sync_lose_child(s);
}

/* Opens the log of the first job in line and puts it among the sent. */
static void
sync_take_first(struct sched *s)
{
	struct sync *y = &s->sync;
	struct job *job = y->head;
	const char *id = job->message->id;
	struct sync_sent *a;
	int fd, dir = -1;

	y->head = job->sync_next;
	if (y->head == NULL)
		y->tail = &y->head;
	fd = spool_log_open(s->queue, id, false);
	/* The file's sync brings the name only on some file systems. */
	if (fd != -1 && job->log.fresh) {
		dir = spool_log_dir(s->queue, id);
		if (dir == -1) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (fd == -1) {
		warn_sys("cannot sync the log of '%s'", id);
		job->sync = SYNC_NONE;
		life_event(s, job->message, LIFE_UNSYNCED);
		return;
	}
	a = sync_sent_at(y, y->nsent++);
	*a = (struct sync_sent){ job, fd, dir };
	job->sync = SYNC_SENT;
}

static bool
sync_write_one(struct sync *y)
{
	const struct sync_sent *a = sync_sent_at(y, y->nwritten);
	int fds[2] = { a->fd, a->dir };
	size_t n = a->dir == -1 ? 1 : 2;
	struct iovec v = { .iov_base = (char[]){ 'F' }, .iov_len = 1 };

	return io_send_fds(y->fd, &v, 1, fds, n, MSG_DONTWAIT) == 1;
}

instant
sync_pump(struct sched *s)
{
	struct sync *y = &s->sync;

	if (y->head == NULL && y->nwritten == y->nsent)
		return NEVER;
	if (y->fd == -1) {
		if (s->now < y->again)
			return y->again;
		/* It inherits the scheduler's confinement. */
		if (!sync_start(y, NULL)) {
			warn_sys("cannot start the child that syncs");
			y->again = s->now + RESTART_MS;
			return y->again;
		}
	}
	while (y->head != NULL && y->nsent < SYNC_INFLIGHT)
		sync_take_first(s);
	for (; y->nwritten < y->nsent; y->nwritten++)
		if (!sync_write_one(y)) {
			if (errno == EAGAIN)
				return s->now + 100;
			sync_lose_child(s);
			return y->again;
		}
	return NEVER;
}
