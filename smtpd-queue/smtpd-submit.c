/* SPDX-License-Identifier: ISC */
/* The adviser on users' mail: checks the sender, adds missing fields. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "program.h"
#include "serve.h"
#include "submission.h"

/*
 * The entrances that ask us. Each may have all its conversations open, so that
 * one kind does not keep out another.
 */
#define ENTRANCES 3
#define SPARE 64 /* conversations of an entrance besides those of sessions */
#define SENDERS_MAX (64 * 1024 * 1024)

static bool
read_whole(int fd, struct sbuf *b)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		sbuf_add(b, piece, (size_t)n);
	}
	if (b->bad)
		errno = EFBIG;
	return !b->bad;
}

/* The file senders. After a change a successor of this process reads it. */
static void
read_senders(struct sbuf *b, const char *path)
{
	int fd;

	sbuf_init(b, SENDERS_MAX);
	if (*path == '\0')
		return;
	serve_reads(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || !read_whole(fd, b))
		die_sys(EXIT_TEMP, "cannot read '%s'", path);
	(void)close(fd);
}

int
main(int argc, char *argv[])
{
	static const struct confine keep = { 0 };
	static struct submission submission;
	static struct conf conf;
	struct serve_how how = { .start = SERVE_AT_ACCEPT };
	struct sbuf senders;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "takes no operands");
	how.limit = ENTRANCES * ((unsigned)conf.max_sessions + SPARE);
	serve_warm(argv, &how);
	read_senders(&senders, conf.senders);
	submission_init(&submission, &conf, sbuf_span(&senders));
	serve_connections(&keep, &conf);
	serve_confine(&keep, &conf);
	return advise_run(&submission_adviser, &submission, &conf);
}
