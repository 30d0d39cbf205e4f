/* SPDX-License-Identifier: ISC */
/* The descriptors that one turn of the loop waits for, and who hears of them. */
#include <stdbool.h>
#include <stdlib.h>

#include "watch.h"

#define CAP_MIN 64

static bool
grow(struct watch *w)
{
	size_t cap = w->cap > 0 ? w->cap * 2 : CAP_MIN;
	void *fds = reallocarray(w->fds, cap, sizeof(*w->fds)), *who;

	if (fds == NULL)
		return false;
	w->fds = fds;
	who = reallocarray(w->who, cap, sizeof(*w->who));
	if (who == NULL)
		return false;
	w->who = who;
	w->cap = cap;
	return true;
}

void
watch_add(struct watch *w, int fd, short events, watch_ready *ready, void *arg)
{
	if (fd == -1 || (w->n == w->cap && !grow(w)))
		return;
	w->fds[w->n] = (struct pollfd){ fd, events, 0 };
	w->who[w->n++] = (struct watcher){ ready, arg };
}
