/* SPDX-License-Identifier: ISC */
/* The text of a message before its commit. */
#include "draft.h"
#include "bufio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define CHUNK 65536

void
draft_init(struct draft *d, const struct store *store)
{
	d->store = store;
	d->file = d->reader = -1;
	d->length = 0;
	d->held = 0;
}

static void
draft_close_reader(struct draft *d)
{
	if (d->reader != -1)
		(void)close(d->reader);
	d->reader = -1;
}

void
draft_reset(struct draft *d)
{
	draft_close_reader(d);
	if (d->file != -1)
		(void)close(d->file);
	draft_init(d, d->store);
}

static bool
draft_write(int fd, struct span s)
{
	while (s.n > 0) {
		ssize_t r = write(fd, s.p, s.n);

		if (r == -1 && errno != EINTR)
			return false;
		if (r > 0)
			s = span_skip(s, (size_t)r);
	}
	return true;
}

/*
 * In "new", where the name that a crash may leave behind is found and swept
 * away like a torn message. Its mode is not that of a message.
 */
static bool
draft_open_file(struct draft *d)
{
	char id[QUEUE_ID_SIZE], path[STORE_PATH];
	int dir = d->store->dir, saved;
	bool one_sync, ok;

	if (!store_has_room(d->store, &one_sync))
		return false;
	if (!queue_id_new(id)) {
		errno = EAGAIN;
		return false;
	}
	d->file = store_create(d->store, id, O_RDWR, 0600, path);
	if (d->file == -1)
		return false;
	d->reader = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	saved = errno;
	ok = unlinkat(dir, path, 0) == 0 && d->reader != -1;
	if (d->reader == -1)
		errno = saved;
	return ok;
}

/* Moves what memory holds into the file. */
static bool
draft_spill(struct draft *d)
{
	if (d->file == -1 && !draft_open_file(d))
		return false;
	if (!draft_write(d->file, span_of(d->mem, d->held)))
		return false;
	d->held = 0;
	return true;
}

bool
draft_add(struct draft *d, struct span s)
{
	if (d->file == -1)
		draft_close_reader(d); /* its copy lacks this */
	if (s.n > sizeof(d->mem) - d->held && !draft_spill(d))
		return false;
	d->length += s.n;
	if (s.n > sizeof(d->mem) - d->held)
		return draft_write(d->file, s);
	if (s.n > 0)
		memcpy(d->mem + d->held, s.p, s.n);
	d->held += s.n;
	return true;
}

/* A copy in memory that nobody can write to, not even we. */
static int
draft_copy(const struct draft *d)
{
	int fd = memfd_create("text", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (draft_write(fd, span_of(d->mem, d->held)) &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	return io_close(fd);
}

int
draft_reader(struct draft *d)
{
	if (d->file != -1)
		return draft_spill(d) ? d->reader : -1;
	if (d->reader == -1)
		d->reader = draft_copy(d);
	return d->reader;
}

/* The part of [at, end) that is in the file. */
static bool
draft_each_of_file(const struct draft *d, uint64_t at, uint64_t end,
    draft_take *take, void *context)
{
	static char chunk[CHUNK];

	while (at < end) {
		size_t room = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(d->file, chunk, room, (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0 || !take(context, span_of(chunk, (size_t)n)))
			return false;
		at += (uint64_t)n;
	}
	return true;
}

static bool
draft_each_of(const struct draft *d, uint64_t at, uint64_t end,
    draft_take *take, void *context)
{
	uint64_t filed = d->length - d->held;

	if (at < filed &&
	    !draft_each_of_file(d, at, end < filed ? end : filed, take,
		context))
		return false;
	if (at < filed)
		at = filed;
	return at >= end ||
	    take(context, span_of(d->mem + (at - filed), (size_t)(end - at)));
}

bool
draft_each(struct draft *d, draft_take *take, void *context)
{
	return draft_each_of(d, 0, d->length, take, context);
}

static bool
draft_take_into(void *to, struct span octets)
{
	return draft_add(to, octets);
}

bool
draft_change(struct draft *from, const struct changes *c, struct draft *to)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < c->n; i++) {
		struct change one = changes_get(c, i);

		if (!draft_each_of(from, at, one.at, draft_take_into, to) ||
		    !draft_add(to, span_of(c->octets.s + one.put, one.put_len)))
			return false;
		at = one.at + one.deleted;
	}
	return draft_each_of(from, at, from->length, draft_take_into, to);
}
