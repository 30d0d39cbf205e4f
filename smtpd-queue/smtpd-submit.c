/* SPDX-License-Identifier: ISC */
/* The adviser on users' mail: checks the sender, adds missing fields. */
#include "log.h"
#include "serve.h"
#include "submission.h"
#include "readfile.h"

#define ENTRANCES 3 /* relay, user and auth ask us */
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
	struct sbuf senders;

	advise_start(argc, argv, &conf);
	advise_warm(argv, &conf, ENTRANCES);
	read_senders(&senders, conf.senders);
	submission_init(&submission, &conf, sbuf_span(&senders));
	return advise_serve(&keep, &submission_adviser, &submission, &conf);
}
