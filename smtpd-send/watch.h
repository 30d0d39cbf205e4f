/* SPDX-License-Identifier: ISC */
/* The descriptors that one turn of the loop waits for, and who hears of them. */
#ifndef WATCH_H
#define WATCH_H

#include <poll.h>
#include <stddef.h>

struct sched;

typedef void watch_ready(struct sched *, void *arg);

struct watch {
	struct pollfd *fds;
	struct watcher {
		watch_ready *ready;
		void *arg;
	} * who;
	size_t n, cap;
};

/*
 * Adds one for this turn; -1 is nobody. Without memory it is left out, and
 * has its turn when there is some. What is watched may end itself when it is
 * ready, and nobody else that is.
 */
void watch_add(struct watch *w, int fd, short events, watch_ready *ready,
    void *arg);

#endif
