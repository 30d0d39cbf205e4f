/* SPDX-License-Identifier: ISC */
/* The log files of a command line, line by line. */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

static int
logfile_open_one(const char *name)
{
	int fd = 0;

	if (strcmp(name, "-") != 0)
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", name);
	return fd;
}

struct logfile *
logfile_open(char *const names[], int n, int *count)
{
	struct logfile *s;

	*count = n > 0 ? n : 1;
	s = calloc((size_t)*count, sizeof(*s));
	if (s == NULL)
		die_sys(EXIT_TEMP, "no memory");
	s[0].name = "-";
	for (int i = 0; i < n; i++)
		s[i] = (struct logfile){ names[i], logfile_open_one(names[i]) };
	return s;
}

static ssize_t
logfile_read_some(const struct logfile *s, char *to, size_t room)
{
	ssize_t n;

	do
		n = read(s->fd, to, room);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		die_sys(EXIT_TEMP, "cannot read '%s'", s->name);
	return n;
}

static void
logfile_read_one(const struct logfile *s, int file, logfile_line *each,
    void *arg)
{
	static char buf[65536];
	size_t len = 0, n;
	bool skipping = false; /* the rest of a line that is too long */
	ssize_t got;

	while ((got = logfile_read_some(s, buf + len, sizeof(buf) - len)) > 0) {
		struct span rest = span_of(buf, len + (size_t)got);

		while ((n = span_find(rest, '\n')) < rest.n) {
			if (!skipping)
				each(arg, span_of(rest.p, n), file);
			skipping = false;
			rest = span_skip(rest, n + 1);
		}
		len = rest.n;
		if (len == sizeof(buf)) {
			skipping = true;
			len = 0;
		}
		memmove(buf, rest.p, len);
	}
}

void
logfile_read(const struct logfile *s, int count, logfile_line *each, void *arg)
{
	for (int i = 0; i < count; i++) {
		logfile_read_one(&s[i], i, each, arg);
		(void)close(s[i].fd);
	}
}
