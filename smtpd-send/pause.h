/* SPDX-License-Identifier: ISC */
/* Destinations that the operator has paused; the queue remembers them. */
#ifndef PAUSE_H
#define PAUSE_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"

#define PAUSES_MAX 1000
#define PAUSE_MS 3600000 /* what waits for one is looked at again */

struct conf;
struct rcpt;
struct sched;

struct pause {
	char *target; /* malloc'ed */
	uint32_t hash;
	uint64_t time; /* s of the wall clock */
};

struct pauses {
	struct pause *at;
	size_t n;
	int fd;          /* the list in the queue, or -1 */
	uint64_t length; /* of what it holds */
};

/* Reads the list. What is not paused any more is no longer in it then. */
void pause_init(struct sched *);

/* Is the rcpt to wait? A hash of what it waits for, never 0, or 0. */
uint32_t pause_of(const struct sched *, const struct rcpt *);

enum pause_result { PAUSE_DONE, PAUSE_ALREADY, PAUSE_FULL, PAUSE_IOERR };

enum pause_result pause_add(struct sched *, struct span target) MUST_CHECK;
enum pause_result pause_end(struct sched *, struct span target) MUST_CHECK;

#endif
