/* SPDX-License-Identifier: ISC */
/* smtpd-trace: follows one message through its life, by log and queue. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "now.h"
#include "program.h"
#include "queued.h"
#include "show.h"
#include "source.h"
#include "stamp.h"

static void
show_story(const struct story *s)
{
	show_arrival(s);
	(void)printf("\n%-*s  event\n", STAMP_LEN, "time (UTC)");
	for (size_t i = 0; i < s->n; i++)
		show_chapter(s, i);
	if (s->n > 0)
		(void)putchar('\n');
}

/* The exit status. err: why the queue cannot be read, or 0. */
static int
show_queue(int dir, int err, const struct story *s)
{
	char text[256];

	switch (err != 0 ? NOW_FAILED : now_show(dir, s->id)) {
	case NOW_SHOWN:
		return EXIT_OK;
	case NOW_GONE:
		show_head("queue", SPAN("it is not there"));
		return s->n > 0 ? EXIT_OK : 1;
	case NOW_FAILED:
		break;
	}
	(void)snprintf(text, sizeof(text), "it cannot be read: %s",
	    strerror(err != 0 ? err : errno));
	show_head("queue", span_str(text));
	return EXIT_TEMP;
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	int first, n, dir, err, status;
	struct source *logs;
	static struct story story;

	first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "id [log ...]");
	if (first == argc)
		die(EXIT_PERM, "which message?");
	if (!story_init(&story, span_str(argv[first])))
		die(EXIT_PERM, "'%s' is no queue id", argv[first]);
	logs = source_open(argv + first + 1, argc - first - 1, &n);
	dir = queued_dir(conf.queue);
	err = dir == -1 ? errno : 0;
	queued_confine(&conf, dir);
	source_read(logs, n, story_line, &story);
	free(logs);
	story_sort(&story);
	show_story(&story);
	status = show_queue(dir, err, &story);
	if (fflush(stdout) != 0 || ferror(stdout))
		die_sys(EXIT_TEMP, "cannot write it");
	return status;
}
