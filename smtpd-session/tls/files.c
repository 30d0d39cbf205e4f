/* SPDX-License-Identifier: ISC */
/* Reads certificates and keys, and refuses keys that others can read. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "serve.h"

#define PATH_ROOM 4096

static bool
copy_path(struct span path, char mem[PATH_ROOM])
{
	if (path.n >= PATH_ROOM)
		return false;
	memcpy(mem, path.p, path.n);
	mem[path.n] = '\0';
	return true;
}

static bool
is_good(const struct stat *st, bool secret, struct sbuf *why)
{
	if (!S_ISREG(st->st_mode))
		sbuf_adds(why, "no regular file");
	else if (st->st_size > FILES_MAX)
		sbuf_addf(why, "more than %d octets", FILES_MAX);
	else if (secret && st->st_uid != geteuid())
		sbuf_addf(why, "belongs to uid %u: a key must be uid %u's",
		    (unsigned)st->st_uid, (unsigned)geteuid());
	else if (secret && (st->st_mode & 077) != 0)
		sbuf_addf(why, "mode %04o lets others in: chmod 0400",
		    (unsigned)st->st_mode & 07777);
	else
		return true;
	return false;
}

/* Files that were made on other systems; BearSSL takes LF alone. */
static void
drop_cr(struct file *f)
{
	size_t to = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->text[i] != '\r')
			f->text[to++] = f->text[i];
	f->n = to;
}

static bool
slurp(int fd, struct file *f, struct sbuf *why)
{
	ssize_t r;

	f->n = 0;
	f->text = malloc(FILES_MAX + 2);
	if (f->text == NULL) {
		sbuf_adds(why, "no memory");
		return false;
	}
	while ((r = read(fd, f->text + f->n, FILES_MAX + 1 - f->n)) != 0) {
		if (r == -1 && errno == EINTR)
			continue;
		if (r > 0)
			f->used = f->n += (size_t)r;
		if (r == -1 || f->n > FILES_MAX) {
			sbuf_adds(why, r == -1 ? strerror(errno) : "too large");
			file_wipe(f);
			return false;
		}
	}
	drop_cr(f);
	if (f->n > 0 && f->text[f->n - 1] != '\n')
		f->text[f->n++] = '\n';
	return true;
}

bool
file_read(struct span path, bool secret, struct file *f, struct sbuf *why)
{
	char mem[PATH_ROOM];
	struct stat st;
	int fd = -1;
	bool good;

	*f = (struct file){ .text = NULL };
	errno = ENAMETOOLONG;
	/* A fifo must not keep us waiting for its writer. */
	if (copy_path(path, mem))
		fd = open(mem, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		sbuf_adds(why, strerror(errno));
		good = false;
	} else {
		good = is_good(&st, secret, why) && slurp(fd, f, why);
	}
	if (fd != -1)
		(void)close(fd);
	return good;
}

void
file_wipe(struct file *f)
{
	if (f->text != NULL)
		explicit_bzero(f->text, f->used);
	free(f->text);
	*f = (struct file){ .text = NULL };
}

void
files_are_read(const char *list)
{
	struct span rest = span_str(list), path;

	while ((path = span_word(&rest)).n > 0) {
		char *copy = strndup(path.p, path.n);

		if (copy != NULL)
			serve_reads(copy);
	}
}
