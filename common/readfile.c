/* SPDX-License-Identifier: ISC */
/* Reads whole small files, and refuses secrets that others can read. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "readfile.h"

#define PIECE 4096 /* of what does not tell its size: a pipe, /proc */

/* --- who may read it ------------------------------------------------------ */

bool
readfile_is_lax(const struct stat *st, enum readfile_kind kind)
{
	unsigned never = kind == READFILE_SHARED_SECRET ? 0037 : 0077;

	return (st->st_mode & never) != 0;
}

/* The group may read it: then it must be the one we are in. */
static bool
has_other_group(const struct stat *st)
{
	return (st->st_mode & 0040) != 0 && st->st_gid != getegid();
}

static bool
has_other_owner(const struct stat *st, bool shared)
{
	return st->st_uid != geteuid() && !(shared && st->st_uid == 0);
}

/* root may look at the secrets of others: they are not its own. */
static bool
check_secret(const struct stat *st, enum readfile_kind kind, struct sbuf *why)
{
	bool shared = kind == READFILE_SHARED_SECRET,
	     root = shared && geteuid() == 0;

	if (!root && has_other_owner(st, shared))
		sbuf_addf(why, "belongs to uid %u, not to uid %u%s",
		    (unsigned)st->st_uid, (unsigned)geteuid(),
		    shared ? " or root" : "");
	else if (readfile_is_lax(st, kind) || (!root && has_other_group(st)))
		sbuf_addf(why, "mode %04o lets others in: chmod 0400",
		    (unsigned)st->st_mode & 07777);
	else
		return true;
	return false;
}

static bool
check_kind(const struct stat *st, enum readfile_kind kind, struct sbuf *why)
{
	if (kind == READFILE_ANY)
		return true;
	if (!S_ISREG(st->st_mode)) {
		sbuf_adds(why, "not a regular file");
		return false;
	}
	return kind == READFILE_REGULAR || check_secret(st, kind, why);
}

static int
open_and_check(int dir, const char *path, enum readfile_kind kind,
    struct stat *st, struct sbuf *why)
{
	/* A FIFO that somebody left there must not hold us. */
	int flags = kind == READFILE_ANY ? 0 : O_NONBLOCK | O_NOCTTY;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | flags), error;

	if (fd == -1 || fstat(fd, st) == -1) {
		error = errno;
		sbuf_adds(why, strerror(error));
	} else if (check_kind(st, kind, why)) {
		return fd;
	} else {
		error = EPERM;
	}
	if (fd != -1)
		(void)close(fd);
	errno = error;
	return -1;
}

/* Where an unwanted reason goes. */
static struct sbuf *
readfile_nowhere(struct sbuf *b)
{
	sbuf_init(b, 0);
	return b;
}

int
readfile_open(int dir, const char *path, enum readfile_kind kind,
    struct sbuf *why)
{
	struct sbuf none;
	struct stat st;

	return open_and_check(dir, path, kind, &st,
	    why != NULL ? why : readfile_nowhere(&none));
}

/* --- its octets ----------------------------------------------------------- */

static ssize_t
read_some(int fd, struct sbuf *text, size_t room, const off_t *at)
{
	ssize_t n;

	do
		n = at == NULL ? read(fd, text->s + text->len, room) :
				 pread(fd, text->s + text->len, room, *at);
	while (n == -1 && errno == EINTR);
	if (n > 0) {
		text->len += (size_t)n;
		text->s[text->len] = '\0';
	}
	return n;
}

/* A regular file: size octets, or fewer if it has shrunk. fresh: just opened. */
static bool
read_known(int fd, struct sbuf *text, size_t size, bool fresh)
{
	off_t at = 0;
	ssize_t n = 1;

	if (size > text->max - text->len) {
		errno = EFBIG;
		return false;
	}
	if (!sbuf_reserve(text, size))
		return false;
	for (; n > 0 && (size_t)at < size; at += n)
		n = read_some(fd, text, size - (size_t)at, fresh ? NULL : &at);
	return n >= 0;
}

static bool
read_unknown(int fd, struct sbuf *text)
{
	char over;
	size_t room;
	ssize_t n;

	do {
		room = text->max - text->len;
		if (room == 0) {
			n = read(fd, &over, 1);
			errno = n > 0 ? EFBIG : errno;
			return n == 0;
		}
		room = room < PIECE ? room : PIECE;
		if (!sbuf_reserve(text, room))
			return false;
		n = read_some(fd, text, room, NULL);
	} while (n > 0);
	return n == 0;
}

static bool
read_file(int fd, const struct stat *st, struct sbuf *text, bool fresh)
{
	return S_ISREG(st->st_mode) && st->st_size > 0 ?
	    read_known(fd, text, (size_t)st->st_size, fresh) :
	    read_unknown(fd, text);
}

bool
readfile_all(int fd, struct sbuf *text)
{
	struct stat st;

	return fstat(fd, &st) == 0 && read_file(fd, &st, text, false);
}

bool
readfile(int dir, const char *path, enum readfile_kind kind, struct sbuf *text,
    struct sbuf *why)
{
	struct sbuf none;
	struct stat st;
	int fd, error;
	bool good;

	if (why == NULL)
		why = readfile_nowhere(&none);
	fd = open_and_check(dir, path, kind, &st, why);
	if (fd == -1)
		return false;
	good = read_file(fd, &st, text, true);
	error = errno;
	(void)close(fd);
	if (!good && error == EFBIG)
		sbuf_addf(why, "larger than %zu octets", text->max);
	else if (!good)
		sbuf_adds(why, strerror(error));
	errno = error;
	return good;
}

/* --- whether it has changed ------------------------------------------------ */

static bool
readfile_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
readfile_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    readfile_same_time(a->st_mtim, b->st_mtim) &&
	    readfile_same_time(a->st_ctim, b->st_ctim);
}

uint64_t
readfile_changed_us(const struct stat *st)
{
	return (uint64_t)st->st_ctim.tv_sec * 1000000 +
	    (uint64_t)st->st_ctim.tv_nsec / 1000;
}
