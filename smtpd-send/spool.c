/* SPDX-License-Identifier: ISC */
/* The queue directory: every path in it is made here, and messages are found. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "scheduler.h"

#define LIST_MS 2000
#define LIST_TURN_MS 2 /* in one turn of the loop, or one shard */
#define LIST_SHARE 20  /* at most this part of the time is listing */
#define HINTS_AT_ONCE 32

#define PATH_SIZE 64 /* "torn/", "new/f/", an id, ".log" */

static const char digits[] = "0123456789abcdef";

static void
spool_make(int at, const char *path, bool *made)
{
	if (mkdirat(at, path, 0700) == 0)
		*made = true;
	else if (errno != EEXIST)
		die_sys(EXIT_TEMP, "cannot make '%s'", path);
}

static void
spool_sync_dir(int queue, const char *dir)
{
	int fd = openat(queue, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		die_sys(EXIT_TEMP, "cannot sync '%s'", dir);
	(void)close(fd);
}

static void
spool_make_all(int queue)
{
	static const char *const sharded[] = { "new", "msg" };
	char path[PATH_SIZE];
	bool made = false;

	spool_make(queue, "torn", &made);
	for (size_t i = 0; i < nitems(sharded); i++) {
		spool_make(queue, sharded[i], &made);
		for (unsigned s = 0; s < QUEUE_SHARDS; s++) {
			(void)snprintf(path, sizeof(path), "%s/%c", sharded[i],
			    digits[s]);
			spool_make(queue, path, &made);
		}
	}
	if (!made)
		return;
	for (size_t i = 0; i < nitems(sharded); i++)
		spool_sync_dir(queue, sharded[i]);
	spool_sync_dir(queue, ".");
}

int
spool_start(const char *queue)
{
	bool made = false;
	int dir, lock;

	spool_make(AT_FDCWD, queue, &made);
	dir = open(queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", queue);
	lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (lock == -1)
		die_sys(EXIT_TEMP, "cannot open '%s/lock'", queue);
	if (flock(lock, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			die(EXIT_TEMP, "'%s' has a scheduler already", queue);
		die_sys(EXIT_TEMP, "cannot lock '%s/lock'", queue);
	}
	spool_make_all(dir);
	return dir;
}

static void
spool_path_in(char path[PATH_SIZE], const char *dir, const char *id,
    const char *end)
{
	(void)snprintf(path, PATH_SIZE, "%s/%c/%s%s", dir, id[QUEUE_ID_LEN - 1],
	    id, end);
}

static void
spool_path(char path[PATH_SIZE], const struct message *m)
{
	spool_path_in(path, (m->flags & MESSAGE_NEW) != 0 ? "new" : "msg",
	    m->id, "");
}

/* O_NONBLOCK: a fifo that somebody put there must not stop us. */
#define OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/*
 * Until it is committed a message has mode 0200: it can be opened for writing
 * only, which shows whether it is locked.
 */
static enum spool_result
spool_probe(int queue, const char *path)
{
	int fd = openat(queue, path, O_WRONLY | OPEN_FLAGS);
	bool locked;

	if (fd == -1)
		return errno == ENOENT ? SPOOL_GONE : SPOOL_IOERR;
	locked = flock(fd, LOCK_EX | LOCK_NB) == -1;
	(void)close(fd);
	return locked ? SPOOL_RECEIVED : SPOOL_UNREADABLE;
}

enum spool_result
spool_open(int queue, const struct message *m, bool insist, int *fd)
{
	char path[PATH_SIZE];
	int saved;

	spool_path(path, m);
	*fd = openat(queue, path, O_RDONLY | OPEN_FLAGS);
	if (*fd == -1 && errno == EACCES)
		return spool_probe(queue, path);
	if (*fd == -1)
		return errno == ENOENT ? SPOOL_GONE : SPOOL_IOERR;
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0 ||
	    (insist && errno == EWOULDBLOCK))
		return SPOOL_OPENED;
	saved = errno;
	(void)close(*fd);
	*fd = -1;
	errno = saved;
	return errno == EWOULDBLOCK ? SPOOL_LOCKED : SPOOL_IOERR;
}

int
spool_peek(int queue, const struct message *m)
{
	char path[PATH_SIZE];

	spool_path(path, m);
	return openat(queue, path, O_RDONLY | OPEN_FLAGS);
}

int
spool_paused_open(int queue)
{
	return openat(queue, "paused", O_RDWR | OPEN_FLAGS | O_CREAT, 0600);
}

bool
spool_settle(int queue, struct message *m)
{
	char from[PATH_SIZE], to[PATH_SIZE];

	if ((m->flags & MESSAGE_NEW) == 0)
		return true;
	spool_path_in(from, "new", m->id, "");
	spool_path_in(to, "msg", m->id, "");
	if (renameat(queue, from, queue, to) == -1)
		return false;
	m->flags &= (uint8_t)~MESSAGE_NEW;
	return true;
}

bool
spool_put_aside(int queue, const struct message *m)
{
	char from[PATH_SIZE], to[PATH_SIZE];

	spool_path(from, m);
	(void)snprintf(to, sizeof(to), "torn/%s", m->id);
	return renameat(queue, from, queue, to) == 0;
}

bool
spool_remove(int queue, const struct message *m)
{
	char path[PATH_SIZE];

	spool_path(path, m);
	return unlinkat(queue, path, 0) == 0 || errno == ENOENT;
}

int
spool_log_open(int queue, const char *id, bool create)
{
	char path[PATH_SIZE];

	spool_path_in(path, "msg", id, ".log");
	return openat(queue, path, O_RDWR | OPEN_FLAGS | (create ? O_CREAT : 0),
	    0600);
}

void
spool_log_remove(int queue, const char *id)
{
	char path[PATH_SIZE];

	spool_path_in(path, "msg", id, ".log");
	(void)unlinkat(queue, path, 0); /* or the next start sweeps it */
}

int
spool_log_dir(int queue, const char *id)
{
	char path[] = { 'm', 's', 'g', '/', id[QUEUE_ID_LEN - 1], '\0' };

	return openat(queue, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum spool_kind
spool_kind_of(const char *name, unsigned shard, char id[QUEUE_ID_SIZE])
{
	struct span s = span_str(name);
	enum spool_kind kind = SPOOL_MESSAGE;

	if (s.n == QUEUE_ID_LEN + 4 &&
	    span_eq(span_skip(s, QUEUE_ID_LEN), SPAN(".log"))) {
		kind = SPOOL_LOG;
		s.n = QUEUE_ID_LEN;
	}
	if (!queue_id_valid(s) || s.p[QUEUE_ID_LEN - 1] != digits[shard])
		return SPOOL_STRAY;
	memcpy(id, s.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	return kind;
}

bool
spool_list(int queue, const char *dir, unsigned shard,
    void (*each)(void *, enum spool_kind, const char *name), void *arg)
{
	char path[PATH_SIZE], id[QUEUE_ID_SIZE];
	struct dirent *e;
	enum spool_kind kind;
	DIR *d;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%c", dir, digits[shard]);
	fd = openat(queue, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return false;
	}
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' &&
		    (e->d_name[1] == '\0' ||
			(e->d_name[1] == '.' && e->d_name[2] == '\0')))
			continue;
		kind = spool_kind_of(e->d_name, shard, id);
		each(arg, kind, kind == SPOOL_STRAY ? e->d_name : id);
	}
	fd = errno;
	(void)closedir(d);
	errno = fd;
	return fd == 0;
}

/* --- finding messages: at the start ---------------------------------------------- */

static bool
spool_add(struct sched *s, const char *id, unsigned flags)
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

struct scan {
	struct sched *s;
	const char *dir;
	unsigned place; /* MESSAGE_NEW or 0 */
};

static void
spool_scan_message(void *arg, enum spool_kind kind, const char *name)
{
	struct scan *scan = arg;
	struct message *m;

	if (kind == SPOOL_STRAY)
		warn("'%s' in %s/ is not a message", name, scan->dir);
	if (kind != SPOOL_MESSAGE)
		return;
	m = table_find(&scan->s->table, name);
	if (m == NULL && !spool_add(scan->s, name, scan->place | MESSAGE_OLD))
		die_sys(EXIT_TEMP, "no memory for the queue");
}

static void
spool_scan_log(void *arg, enum spool_kind kind, const char *name)
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
spool_scan(struct sched *s, const char *dir, unsigned place,
    void (*each)(void *, enum spool_kind, const char *))
{
	struct scan arg = { s, dir, place };

	for (unsigned i = 0; i < QUEUE_SHARDS; i++)
		if (!spool_list(s->queue, dir, i, each, &arg))
			die_sys(EXIT_TEMP, "cannot list '%s' in the queue",
			    dir);
}

void
spool_find_all(struct sched *s)
{
	spool_scan(s, "msg", 0, spool_scan_message);
	spool_scan(s, "new", MESSAGE_NEW, spool_scan_message);
	spool_scan(s, "msg", 0, spool_scan_log);
}

/* --- new ones, by listing ------------------------------------------------------------------ */

/*
 * Seen for the first time while we hold the queue's lock, and younger than
 * our start: it was never tried. An older one was on its way here then.
 */
static void
spool_add_new(struct sched *s, const char *id)
{
	unsigned old = queue_id_time(id) < s->started ? MESSAGE_OLD : 0;

	/* Without memory it is left to the next listing. */
	if (table_find(&s->table, id) == NULL)
		(void)spool_add(s, id, MESSAGE_NEW | old);
}

static void
spool_list_new(void *arg, enum spool_kind kind, const char *name)
{
	if (kind == SPOOL_MESSAGE)
		spool_add_new(arg, name);
}

instant
spool_find_more(struct sched *s, struct listing *l)
{
	instant took;

	if (l->shard == 0 && s->now < l->next)
		return l->next;
	if (l->shard == 0)
		l->begun = s->now;
	do {
		if (!spool_list(s->queue, "new", l->shard, spool_list_new, s))
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

/* --- hints ----------------------------------------------------------------------- */

/* Any message may be tried at any time, so a false hint does no harm. */
static void
spool_take_hint(struct sched *s, struct span hint)
{
	char id[QUEUE_ID_SIZE];
	struct message *m;

	if (!queue_id_valid(hint))
		return;
	memcpy(id, hint.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	m = table_find(&s->table, id);
	if (m == NULL)
		spool_add_new(s, id);
	else if (m->step == STEP_UNREADY)
		heap_put(&s->heap, m, s->now);
}

void
spool_find_hinted(struct sched *s, int hints)
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
		spool_take_hint(s, span_of(text[i], m[i].msg_len));
}
