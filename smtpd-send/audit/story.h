/* SPDX-License-Identifier: ISC */
/* What the log says of one message, in the order of time. */
#ifndef STORY_H
#define STORY_H

#include "line.h"
#include "mailid.h"

struct chapter {
	uint64_t time; /* microseconds since 1970 */
	bool timed;    /* or else that is the time of the one before */
	uint64_t order;
	size_t at, len; /* its line in text, without the prefix */
};

struct story {
	char id[QUEUE_ID_SIZE];
	struct mailid mailid;
	struct sbuf text;
	struct chapter *chapters;
	size_t n, cap;
};

/* False: that is no id. */
bool story_init(struct story *, struct span id) MUST_CHECK;

/* A source_line: keeps what is about the message. */
void story_line(void *story, struct span line, int file);

/* To be called when all is read. What has no time stays where it stood. */
void story_sort(struct story *);

/* Its line, taken apart. */
void story_get(const struct story *, size_t i, struct line *);

#endif
