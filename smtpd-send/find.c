/* SPDX-License-Identifier: ISC */
/* Finding messages, by listing and by hint. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "scheduler.h"
#include "spool.h"

#define LIST_MS 2000
#define LIST_TURN_MS 2 /* in one turn of the loop, or one shard */
#define LIST_SHARE 20  /* at most this part of the time is listing */
#define HINTS_AT_ONCE 32
#define GIVEN_FD 3
#define GIVEN_MAX 2 /* for hints, for the operator */

static bool
find_add(struct sched *s, const char *id, unsigned flags)
{
	struct message *m = NULL;

	if (heap_reserve(&s->heap, s->table.count + 1))
		m = table_add(&s->table, id);
	if (m == NULL)
		return false;
	m->flags = (uint8_t)flags;
	heap_put(&s->heap, m, s->now);
	return true;
}

/* --- the start --------------------------------------------------------------- */

struct scan {
	struct sched *s;
	const char *dir;
	unsigned place; /* MESSAGE_NEW or 0 */
};

static void
scan_message(void *arg, enum spool_kind kind, const char *name)
{
	struct scan *scan = arg;
	struct message *m;

	if (kind == SPOOL_STRAY)
		warn("'%s' in %s/ is not a message", name, scan->dir);
	if (kind != SPOOL_MESSAGE)
		return;
	m = table_find(&scan->s->table, name);
	if (m == NULL && !find_add(scan->s, name, scan->place | MESSAGE_OLD))
		die_sys(EXIT_TEMP, "no memory for the queue");
}

static void
scan_log(void *arg, enum spool_kind kind, const char *name)
{
	struct scan *scan = arg;
	struct message *m;

	if (kind != SPOOL_LOG)
		return;
	m = table_find(&scan->s->table, name);
	if (m != NULL)
		m->flags |= MESSAGE_LOGGED;
	else
		spool_log_remove(scan->s->queue, name);
}

static void
find_scan(struct sched *s, const char *dir, unsigned place,
    void (*each)(void *, enum spool_kind, const char *))
{
	struct scan arg = { s, dir, place };

	for (unsigned i = 0; i < QUEUE_SHARDS; i++)
		if (!spool_list(s->queue, dir, i, each, &arg))
			die_sys(EXIT_TEMP, "cannot list '%s' in the queue",
			    dir);
}

void
find_all(struct sched *s)
{
	find_scan(s, "msg", 0, scan_message);
	find_scan(s, "new", MESSAGE_NEW, scan_message);
	find_scan(s, "msg", 0, scan_log);
}

/* --- new ones ------------------------------------------------------------------ */

/*
 * Seen for the first time while we hold the queue's lock, and younger than
 * our start: it was never tried. An older one was on its way here then.
 */
static void
find_new(struct sched *s, const char *id)
{
	unsigned old = queue_id_time(id) < s->started ? MESSAGE_OLD : 0;

	/* Without memory it is left to the next listing. */
	if (table_find(&s->table, id) == NULL)
		(void)find_add(s, id, MESSAGE_NEW | old);
}

static void
list_new(void *arg, enum spool_kind kind, const char *name)
{
	if (kind == SPOOL_MESSAGE)
		find_new(arg, name);
}

instant
find_more(struct sched *s, struct listing *l)
{
	instant took;

	if (l->shard == 0 && s->now < l->next)
		return l->next;
	if (l->shard == 0)
		l->begun = s->now;
	do {
		if (!spool_list(s->queue, "new", l->shard, list_new, s))
			warn_sys("cannot list 'new' in the queue");
		l->shard = (l->shard + 1) % QUEUE_SHARDS;
	} while (l->shard != 0 && clock_now() < s->now + LIST_TURN_MS);
	if (l->shard != 0)
		return s->now;
	took = clock_now() - l->begun;
	l->next = l->begun +
	    (took * LIST_SHARE > LIST_MS ? took * LIST_SHARE : LIST_MS);
	return l->next;
}

void
find_make_due(struct sched *s, struct message *m)
{
	m->due_for = DUE_NOW;
	if (message_is_active(m))
		return; /* due again after that */
	if (m->step == STEP_HELD)
		m->step = STEP_WAITING;
	heap_put(&s->heap, m, s->now);
}

void
find_due_now(struct sched *s)
{
	struct message *m;

	dispatch_hurry_all(s);
	for (m = table_first(&s->table); m != NULL;
	     m = table_after(&s->table, m))
		find_make_due(s, m);
}

/* --- hints ----------------------------------------------------------------------- */

static bool
find_is_socket(int fd, int type)
{
	socklen_t n = sizeof(int);
	int t;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &t, &n) == 0 && t == type;
}

int
find_given(int type)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint32_t fds, v;

	if (n == NULL || pid == NULL ||
	    !span_u32(span_str(n), GIVEN_MAX, &fds) ||
	    !span_u32(span_str(pid), INT32_MAX, &v) || (pid_t)v != getpid())
		return -1;
	for (int fd = GIVEN_FD; fd < GIVEN_FD + (int)fds; fd++)
		if (find_is_socket(fd, type) &&
		    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			return fd;
	return -1;
}

/*
 * Called under the queue's lock: a socket at the path is in use by no one. The
 * umask leaves it to our user alone, which smtpd-queue runs as too.
 */
int
find_hints_open(const struct conf *conf)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = conf->wakeup;
	size_t n = strlen(path);
	struct stat st;
	int fd = find_given(SOCK_DGRAM);

	if (fd != -1)
		return fd;
	if (n >= sizeof(sun.sun_path))
		die(EXIT_PERM, "wakeup: '%s' is too long", path);
	memcpy(sun.sun_path, path, n);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(path) == -1)
		die_sys(EXIT_TEMP, "cannot remove '%s'", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		die_sys(EXIT_TEMP, "cannot make the socket '%s'", path);
	return fd;
}

/* Any message may be tried at any time, so a false hint does no harm. */
static void
find_take_hint(struct sched *s, struct span hint)
{
	char id[QUEUE_ID_SIZE];
	struct message *m;

	if (!queue_id_valid(hint))
		return;
	memcpy(id, hint.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	m = table_find(&s->table, id);
	if (m == NULL)
		find_new(s, id);
	else if (m->step == STEP_UNREADY)
		heap_put(&s->heap, m, s->now);
}

void
find_hints(struct sched *s, int hints)
{
	char text[HINTS_AT_ONCE][QUEUE_ID_SIZE] = { { 0 } };
	struct iovec v[HINTS_AT_ONCE];
	struct mmsghdr m[HINTS_AT_ONCE];
	int n;

	for (size_t i = 0; i < HINTS_AT_ONCE; i++) {
		v[i] = (struct iovec){ text[i], sizeof(text[i]) };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i],
					     .msg_iovlen = 1 } };
	}
	n = recvmmsg(hints, m, HINTS_AT_ONCE, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		find_take_hint(s, span_of(text[i], m[i].msg_len));
}
