/* SPDX-License-Identifier: ISC */
/* The queue directory, as those see it that write messages into it. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#define MIN_INODES 1000 /* free ones, wherever min_free is checked */

/* A datagram socket that leads to smtpd-send, or -1: it looks every 2 s. */
static int
open_wakeup(const char *path)
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
	s->wakeup = open_wakeup(conf->wakeup);
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

bool
store_has_room(const struct store *s, bool *one_sync)
{
	struct statfs fs;

	if (fstatfs(s->dir, &fs) != 0)
		return false;
	*one_sync = names_sync_with_files(&fs);
	if (has_room(&fs, s->min_free))
		return true;
	errno = ENOSPC;
	return false;
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
shard_of(const char *path, char shard[STORE_PATH])
{
	size_t n = span_rfind(span_str(path), '/');

	memcpy(shard, path, n);
	shard[n] = '\0';
}

/* The first message of a shard, and of the queue, finds no directory. */
static bool
make_shard(int dir, const char *path)
{
	char shard[STORE_PATH];

	shard_of(path, shard);
	return make_directory(dir, "new") && make_directory(dir, shard) &&
	    sync_directory(dir, "new") && sync_directory(dir, ".");
}

static void
set_path(char path[STORE_PATH], const char *dir, const char *id)
{
	struct sbuf b = { .s = path, .cap = STORE_PATH, .max = STORE_PATH - 1 };

	queue_path(&b, dir, id);
}

bool
store_waits(const struct store *s, const char *id)
{
	char path[STORE_PATH];

	set_path(path, "msg", id);
	return faccessat(s->dir, path, F_OK, 0) == 0;
}

int
store_create(const struct store *s, const char *id, int flags, unsigned mode,
    char path[STORE_PATH])
{
	int fd;

	flags |= O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	set_path(path, "new", id);
	fd = openat(s->dir, path, flags, mode);
	if (fd == -1 && errno == ENOENT && make_shard(s->dir, path))
		fd = openat(s->dir, path, flags, mode);
	return fd;
}

bool
store_sync_name(const struct store *s, const char *path)
{
	char shard[STORE_PATH];

	shard_of(path, shard);
	return sync_directory(s->dir, shard);
}

void
store_wake(const struct store *s, const char *id)
{
	if (s->wakeup != -1)
		(void)send(s->wakeup, id, QUEUE_ID_LEN,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}
