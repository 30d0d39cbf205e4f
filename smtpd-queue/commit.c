/* SPDX-License-Identifier: ISC */
/*
 * The commit: after it, and only after it, the message survives anything.
 *
 * Beside each step stands the crash state: what is found in the directory
 * when the program or the machine stops right there. "Torn" is a file that
 * was never acknowledged and shows it (smtpd-queue(5)). All advice was taken
 * before: no file ever holds a text that was to be changed.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log.h"

void
commit_init(struct commit *c, const struct store *store)
{
	c->store = store;
	c->file.fd = -1;
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

/*
 * A text that is there in one run is written with what follows it: a small
 * message reaches the file in one call.
 */
struct writing {
	struct queuefile *file;
	uint64_t length;
	struct span whole;
};

static bool
take_run(void *context, struct span octets)
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
	return write_all(f->fd, v, nitems(v));
}

static bool
write_message(struct queuefile *f, struct draft *text, struct span frames)
{
	struct writing w = { .file = f, .length = text->length };
	char footer[QUEUEFILE_FOOTER];
	struct iovec v[3];

	if (!draft_each(text, take_run, &w))
		return false;
	f->frames_len = (uint32_t)frames.n;
	queuefile_footer(footer, f, crc32c(0, frames.p, frames.n));
	v[0] = iovec_of(w.whole);
	v[1] = iovec_of(frames);
	v[2] = iovec_of(span_of(footer, sizeof(footer)));
	return write_all(f->fd, v, nitems(v));
}

bool
commit(struct commit *c, const char *id, struct draft *text, struct span frames)
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
	if (!write_message(f, text, frames))
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
		/* It must at least not look committed. */
		warn_sys("cannot remove '%s'", c->path);
		(void)fchmod(c->file.fd, 0200);
	}
	(void)close(c->file.fd);
	c->file.fd = -1;
	if (c->committed)
		store_wake(c->store, c->file.id);
}
