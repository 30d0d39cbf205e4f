/* SPDX-License-Identifier: ISC */
/*
 * The queue directory for programs that write messages, and the commit: after
 * it, and only after it, the message survives anything.
 *
 * A comment at each step names the crash state: what is in the directory if
 * the program or the machine stops there. "Torn" is a file that shows that it
 * was never acknowledged (smtpd-queue(5)). All advice was taken before: no
 * file ever holds a text that is still to be changed.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "draft.h"
#include "log.h"

#define MIN_INODES 1000 /* free ones, wherever min_free is checked */

/* A datagram socket to smtpd-send, or -1: it looks by itself every 2 s. */
static int
store_open_wakeup(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, n + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

bool
store_open(struct store *s, const struct conf *conf)
{
	s->min_free = conf->min_free;
	s->wakeup = -1;
	s->dir = open(conf->queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir != -1;
}

void
store_dial(struct store *s, const struct conf *conf)
{
	s->wakeup = store_open_wakeup(conf->wakeup);
}

/*
 * On these file systems the fsync of a new file makes its name durable too:
 * their journal (the log tree of btrfs) holds both, and ext4 without a journal
 * syncs the parents of a new file. ext2 shares ext4's number and, in Debian's
 * kernel, its code. tests/queue-disk.bats shows it.
 */
static bool
names_sync_with_files(const struct statfs *fs)
{
	return fs->f_type == EXT4_SUPER_MAGIC ||
	    fs->f_type == XFS_SUPER_MAGIC || fs->f_type == BTRFS_SUPER_MAGIC;
}

/* f_files is 0 where inodes are not counted. */
static bool
statfs_has_room(const struct statfs *fs, uint64_t min_free)
{
	uint64_t per_block = (uint64_t)fs->f_bsize;

	if (min_free == 0)
		return true;
	if (fs->f_files != 0 && fs->f_ffree < MIN_INODES)
		return false;
	return per_block == 0 || fs->f_bavail >= min_free / per_block;
}

bool
store_has_room(const struct store *s, bool *one_sync)
{
	struct statfs fs;

	if (fstatfs(s->dir, &fs) != 0)
		return false;
	*one_sync = names_sync_with_files(&fs);
	if (statfs_has_room(&fs, s->min_free))
		return true;
	errno = ENOSPC;
	return false;
}

static bool
store_sync_directory(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd != -1 && fsync(fd) == 0;
	int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
	return ok;
}

static bool
store_make_directory(int dir, const char *path)
{
	return mkdirat(dir, path, 0700) == 0 || errno == EEXIST;
}

/* "new/x/ID" to "new/x". */
static void
store_shard(const char *path, char shard[STORE_PATH])
{
	size_t n = span_rfind(span_str(path), '/');

	memcpy(shard, path, n);
	shard[n] = '\0';
}

/* For the first message of a shard, which finds no directory. */
static bool
store_make_shard(int dir, const char *path)
{
	char shard[STORE_PATH];

	store_shard(path, shard);
	return store_make_directory(dir, "new") &&
	    store_make_directory(dir, shard) &&
	    store_sync_directory(dir, "new") && store_sync_directory(dir, ".");
}

static void
store_set_path(char path[STORE_PATH], const char *dir, const char *id)
{
	struct sbuf b = { .s = path, .cap = STORE_PATH, .max = STORE_PATH - 1 };

	queue_path(&b, dir, id);
}

bool
store_waits(const struct store *s, const char *id)
{
	char path[STORE_PATH];

	store_set_path(path, "msg", id);
	return faccessat(s->dir, path, F_OK, 0) == 0;
}

int
store_create(const struct store *s, const char *id, int flags, unsigned mode,
    char path[STORE_PATH])
{
	int fd;

	flags |= O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	store_set_path(path, "new", id);
	fd = openat(s->dir, path, flags, mode);
	if (fd == -1 && errno == ENOENT && store_make_shard(s->dir, path))
		fd = openat(s->dir, path, flags, mode);
	return fd;
}

bool
store_sync_name(const struct store *s, const char *path)
{
	char shard[STORE_PATH];

	store_shard(path, shard);
	return store_sync_directory(s->dir, shard);
}

void
store_wake(const struct store *s, const char *id)
{
	if (s->wakeup != -1)
		(void)send(s->wakeup, id, QUEUE_ID_LEN,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --- the commit ----------------------------------------------------------- */

void
commit_init(struct commit *c, const struct store *store)
{
	c->store = store;
	c->file.fd = -1;
}

static bool
commit_write_all(int fd, struct iovec *v, size_t n)
{
	ssize_t r = 0;

	while (iov_advance(v, n, (size_t)r) > 0) {
		r = writev(fd, v, (int)n);
		if (r == -1 && errno != EINTR)
			return false;
		if (r == -1)
			r = 0;
	}
	return true;
}

static struct iovec
iovec_of(struct span s)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)s.p,
		.iov_len = s.n };
}

/*
 * A text of one run is written together with what follows it: a small message
 * reaches the file in one call.
 */
struct writing {
	struct queuefile *file;
	uint64_t length;
	struct span whole;
};

static bool
commit_take_run(void *context, struct span octets)
{
	struct writing *w = context;
	struct queuefile *f = w->file;
	struct iovec v[] = { iovec_of(octets) };

	f->body_crc = crc32c(f->body_crc, octets.p, octets.n);
	f->body_len += octets.n;
	if (octets.n == w->length) {
		w->whole = octets;
		return true;
	}
	return commit_write_all(f->fd, v, nitems(v));
}

static bool
commit_write(struct queuefile *f, struct draft *text, struct span frames)
{
	struct writing w = { .file = f, .length = text->length };
	char footer[QUEUEFILE_FOOTER];
	struct iovec v[3];

	if (!draft_each(text, commit_take_run, &w))
		return false;
	f->frames_len = (uint32_t)frames.n;
	queuefile_footer(footer, f, crc32c(0, frames.p, frames.n));
	v[0] = iovec_of(w.whole);
	v[1] = iovec_of(frames);
	v[2] = iovec_of(span_of(footer, sizeof(footer)));
	return commit_write_all(f->fd, v, nitems(v));
}

bool
commit_message(struct commit *c, const char *id, struct draft *text,
    struct span frames)
{
	struct queuefile *f = &c->file;
	bool one_sync;

	*f = (struct queuefile){ .fd = -1 };
	memcpy(f->id, id, QUEUE_ID_SIZE);
	c->committed = false;
	if (!store_has_room(c->store, &one_sync) ||
	    getrandom(&f->nonce, sizeof(f->nonce), 0) != sizeof(f->nonce))
		return false;
	/* crash: nothing is there */
	f->fd = store_create(c->store, id, O_WRONLY, 0200, c->path);
	/* crash: torn; empty, mode 0200, and from now on nobody's lock */
	if (f->fd == -1 || flock(f->fd, LOCK_EX) != 0)
		return false;
	/* crash: the same; the scheduler left it alone while we lived */
	if (store_waits(c->store, id)) {
		errno = EEXIST; /* from new/ it would be moved over that one */
		return false;
	}
	if (!commit_write(f, text, frames))
		return false;
	/* crash: torn, though maybe whole: the mode is 0200 */
	if (fchmod(f->fd, 0400) != 0)
		return false;
	/*
	 * Program crash: whole, so it is delivered; the client heard nothing
	 * and comes again: twice. Machine crash: that, or torn, or no file.
	 */
	if (fsync(f->fd) != 0)
		return false; /* never a second try: it may succeed and lie */
	/* crash: durable where one sync is enough; elsewhere maybe no name */
	c->committed = one_sync || store_sync_name(c->store, c->path);
	return c->committed;
	/* crash: durable, and not acknowledged: twice at worst */
}

void
commit_close(struct commit *c)
{
	if (c->file.fd == -1)
		return;
	if (!c->committed && unlinkat(c->store->dir, c->path, 0) != 0) {
		/* At least it must not look committed. */
		warn_sys("cannot remove '%s'", c->path);
		(void)fchmod(c->file.fd, 0200);
	}
	(void)close(c->file.fd);
	c->file.fd = -1;
	if (c->committed)
		store_wake(c->store, c->file.id);
}
