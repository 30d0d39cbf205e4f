/* SPDX-License-Identifier: ISC */
/* The adviser on users' mail: checks the sender, adds missing fields. */
#include "log.h"
#include "program.h"
#include "serve.h"
#include "submission.h"
#include "readfile.h"

/*
 * The entrances that ask us. Each may have all its conversations open, so that
 * one kind does not keep out another.
 */
#define ENTRANCES 3
#define SPARE 64 /* conversations of an entrance besides those of sessions */
#define SENDERS_MAX (64 * 1024 * 1024)

/* The file senders. After a change a successor of this process reads it. */
static void
read_senders(struct sbuf *b, const char *path)
{
	sbuf_init(b, SENDERS_MAX);
	if (*path == '\0')
		return;
	serve_reads(path);
	if (!readfile(AT_FDCWD, path, READFILE_ANY, b, NULL))
		die_sys(EXIT_TEMP, "cannot read '%s'", path);
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
