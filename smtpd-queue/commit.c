/* SPDX-License-Identifier: ISC */
/*
 * The commit: after it, and only after it, the message survives anything.
 *
 * Beside each step stands the crash state: what is found in the directory
 * when the program or the machine stops right there. "Torn" is a file that
 * was never acknowledged and shows it (smtpd-queue(5)).
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
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define MIN_INODES 1000 /* free ones, wherever min_free is checked */

/* A datagram socket that leads to smtpd-send, or -1: it looks every 2 s. */
static int
wakeup_open(const char *path)
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
	s->dir = open(conf->queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir == -1)
		return false;
	s->wakeup = wakeup_open(conf->wakeup);
	return true;
}

void
commit_init(struct commit *c, const struct store *store)
{
	c->store = store;
	c->file.fd = -1;
	c->len = 0;
}

/*
 * On these the new name is durable with the fsync of the file: their journal
 * (the log tree of btrfs) holds both, and ext4 without a journal syncs the
 * parents of a new file. ext2 shares ext4's number and, in Debian's kernel,
 * its code. tests/queue-disk.bats shows it.
 */
static bool
names_sync_with_files(const struct statfs *fs)
{
	return fs->f_type == EXT4_SUPER_MAGIC ||
	    fs->f_type == XFS_SUPER_MAGIC || fs->f_type == BTRFS_SUPER_MAGIC;
}

/* f_files is 0 where inodes are not counted. */
static bool
has_room(const struct statfs *fs, uint64_t min_free)
{
	uint64_t per_block = (uint64_t)fs->f_bsize;

	if (min_free == 0)
		return true;
	if (fs->f_files != 0 && fs->f_ffree < MIN_INODES)
		return false;
	return per_block == 0 || fs->f_bavail >= min_free / per_block;
}

static bool
sync_directory(int dir, const char *path)
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
make_directory(int dir, const char *path)
{
	return mkdirat(dir, path, 0700) == 0 || errno == EEXIST;
}

/* "new/x/ID" to "new/x". */
static void
shard_of(const struct commit *c, char shard[sizeof(c->path)])
{
	size_t n = span_rfind(span_str(c->path), '/');

	memcpy(shard, c->path, n);
	shard[n] = '\0';
}

/* The first message of a shard, and of the queue, finds no directory. */
static bool
make_shard(const struct commit *c)
{
	char shard[sizeof(c->path)];
	int dir = c->store->dir;

	shard_of(c, shard);
	return make_directory(dir, "new") && make_directory(dir, shard) &&
	    sync_directory(dir, "new") && sync_directory(dir, ".");
}

static int
create(const struct commit *c)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(c->store->dir, c->path, flags, 0200);

	if (fd == -1 && errno == ENOENT && make_shard(c))
		fd = openat(c->store->dir, c->path, flags, 0200);
	return fd;
}

static bool
set_path(struct commit *c, const char *id)
{
	struct sbuf b;
	bool ok;

	sbuf_init(&b, sizeof(c->path) - 1);
	queue_path(&b, "new", id);
	ok = !b.bad;
	if (ok)
		memcpy(c->path, b.s, b.len + 1);
	else
		errno = ENOMEM;
	sbuf_free(&b);
	return ok;
}

bool
commit_begin(struct commit *c, const char *id)
{
	struct queuefile *f = &c->file;
	struct statfs fs;

	*f = (struct queuefile){ .fd = -1 };
	memcpy(f->id, id, QUEUE_ID_SIZE);
	c->len = 0;
	c->committed = false;
	if (!set_path(c, id) || fstatfs(c->store->dir, &fs) != 0)
		return false;
	if (!has_room(&fs, c->store->min_free)) {
		errno = ENOSPC;
		return false;
	}
	c->one_sync = names_sync_with_files(&fs);
	if (getrandom(&f->nonce, sizeof(f->nonce), 0) != sizeof(f->nonce))
		return false;
	/* crash: nothing is there */
	f->fd = create(c);
	/* crash: torn; empty, mode 0200, and from now on nobody's lock */
	return f->fd != -1 && flock(f->fd, LOCK_EX) == 0;
	/* crash: the same; the scheduler left it alone while we lived */
}

static bool
write_all(int fd, struct iovec *v, int n)
{
	while (n > 0) {
		ssize_t r = v->iov_len == 0 ? 0 : writev(fd, v, n);

		if (r == -1 && errno != EINTR)
			return false;
		while (n > 0 && r >= (ssize_t)v->iov_len) {
			r -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0 && r > 0) {
			v->iov_base = (char *)v->iov_base + r;
			v->iov_len -= (size_t)r;
		}
	}
	return true;
}

static struct iovec
iovec_of(struct span s)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)s.p,
		.iov_len = s.n };
}

bool
commit_add(struct commit *c, struct span s)
{
	c->file.body_crc = crc32c(c->file.body_crc, s.p, s.n);
	c->file.body_len += s.n;
	if (s.n > sizeof(c->buf) - c->len) {
		struct iovec v[] = { iovec_of(span_of(c->buf, c->len)),
			iovec_of(s) };

		c->len = 0;
		return write_all(c->file.fd, v, nitems(v));
		/* crash: torn; some of the message, mode 0200 */
	}
	if (s.n > 0)
		memcpy(c->buf + c->len, s.p, s.n);
	c->len += s.n;
	return true;
}

bool
commit_end(struct commit *c, struct span frames)
{
	char footer[QUEUEFILE_FOOTER], shard[sizeof(c->path)];
	struct iovec v[] = { iovec_of(span_of(c->buf, c->len)),
		iovec_of(frames), iovec_of(span_of(footer, sizeof(footer))) };

	c->file.frames_len = (uint32_t)frames.n;
	queuefile_footer(footer, &c->file, crc32c(0, frames.p, frames.n));
	/* A small message reaches the file in this one call. */
	if (!write_all(c->file.fd, v, nitems(v)))
		return false;
	/* crash: torn, though whole: the mode is 0200 */
	if (fchmod(c->file.fd, 0400) != 0)
		return false;
	/*
	 * Program crash: whole, so it is delivered; the client heard nothing
	 * and comes again: twice. Machine crash: that, or torn, or no file.
	 */
	if (fsync(c->file.fd) != 0)
		return false; /* never a second try: it may succeed and lie */
	/* crash: durable on the file systems above; elsewhere maybe no name */
	shard_of(c, shard);
	c->committed = c->one_sync || sync_directory(c->store->dir, shard);
	return c->committed;
	/* crash: durable, and not acknowledged: twice at worst */
}

/* The datagram is a hint, so whatever becomes of it is fine. */
static void
wake_scheduler(const struct commit *c)
{
	if (c->store->wakeup != -1)
		(void)send(c->store->wakeup, c->file.id, QUEUE_ID_LEN,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
commit_close(struct commit *c)
{
	if (c->file.fd == -1)
		return;
	if (!c->committed && unlinkat(c->store->dir, c->path, 0) != 0) {
		/* It must at least not look committed. */
		warn_sys("cannot remove '%s'", c->path);
		(void)fchmod(c->file.fd, 0200);
	}
	(void)close(c->file.fd);
	c->file.fd = -1;
	if (c->committed)
		wake_scheduler(c);
}
