/* SPDX-License-Identifier: ISC */
/* The queue directory for who only looks: its messages, without a lock. */
#include "queuedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
become_owner(int dir)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (fstat(dir, &st) != 0)
		return false;
	if (st.st_uid == 0) {
		errno = EPERM;
		return false;
	}
	return setgroups(0, NULL) == 0 &&
	    setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == 0 && setuid(0) != 0;
}

int
queuedir_open(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;

	if (dir == -1 || become_owner(dir))
		return dir;
	saved = errno;
	(void)close(dir);
	errno = saved;
	return -1;
}

/* The ids of new/<shard> or msg/<shard>; none if there is none. */
static bool
list_shard(int dir, const char *path, struct sbuf *ids)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	DIR *d;

	if (fd == -1)
		return errno == ENOENT;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (!queue_id_valid(span_str(e->d_name)))
			continue;
		sbuf_add(ids, e->d_name, QUEUE_ID_LEN);
		sbuf_putc(ids, path[0]);
	}
	(void)closedir(d);
	if (ids->bad)
		errno = ENOMEM;
	return !ids->bad;
}

/* What is moved goes from new/ to msg/, never back. */
bool
queuedir_list(int dir, struct sbuf *ids)
{
	static const char digits[] = "0123456789abcdef";
	char path[] = "new/x";

	for (size_t i = 0; i < QUEUE_SHARDS; i++) {
		path[4] = digits[i];
		memcpy(path, "new", 3);
		if (!list_shard(dir, path, ids))
			return false;
		memcpy(path, "msg", 3);
		if (!list_shard(dir, path, ids))
			return false;
	}
	return true;
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_ID_LEN);
}

void
queuedir_sort(struct sbuf *ids)
{
	if (ids->len > 0)
		qsort(ids->s, ids->len / QUEUE_ID_SIZE, QUEUE_ID_SIZE, by_id);
}

static int
open_at(int dir, const char *where, const char *id, const char *suffix)
{
	struct sbuf path;
	int fd;

	sbuf_init(&path, 64);
	queue_path(&path, where, id);
	sbuf_adds(&path, suffix);
	fd = openat(dir, path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	sbuf_free(&path);
	return fd;
}

int
queuedir_message(int dir, const char *id)
{
	int fd = open_at(dir, "new", id, "");

	return fd == -1 && errno == ENOENT ? open_at(dir, "msg", id, "") : fd;
}

int
queuedir_log(int dir, const char *id)
{
	return open_at(dir, "msg", id, ".log");
}
