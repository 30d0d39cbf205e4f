/* SPDX-License-Identifier: ISC */
/* Destinations that the operator has paused; the queue remembers them. */
#include "pause.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "queuefile.h"
#include "sched.h"
#include "spool.h"
#include "target.h"

#define LIST_ID "paused"

static struct pause *
find(const struct pauses *p, struct span target)
{
	for (size_t i = 0; i < p->n; i++)
		if (span_ieq(span_str(p->at[i].target), target))
			return &p->at[i];
	return NULL;
}

static bool
add(struct pauses *p, struct span target, uint64_t time)
{
	struct pause *at = reallocarray(p->at, p->n + 1, sizeof(*at));
	char *text = strndup(target.p, target.n);

	if (at != NULL)
		p->at = at;
	if (at == NULL || text == NULL) {
		free(text);
		return false;
	}
	at[p->n++] = (struct pause){ text, crc32c(0, target.p, target.n) | 1,
		time };
	return true;
}

static void
drop(struct pauses *p, struct pause *at)
{
	free(at->target);
	*at = p->at[--p->n];
}

uint32_t
pause_of(const struct sched *s, const struct rcpt *r)
{
	const struct pauses *p = &s->pauses;

	for (size_t i = 0; i < p->n; i++)
		if (target_fits(span_str(p->at[i].target), s->conf, r))
			return p->at[i].hash;
	return 0;
}

/* --- the list on disk ------------------------------------------------------- */

static void
replay(void *arg, const struct progress_record *r)
{
	struct pauses *p = arg;
	struct pause *at = find(p, r->text);

	if (r->kind == PROGRESS_PAUSE && at == NULL && p->n < PAUSES_MAX &&
	    target_is_valid(r->text))
		(void)add(p, r->text, r->time);
	else if (r->kind == PROGRESS_RESUME && at != NULL)
		drop(p, at);
}

static bool
append(struct pauses *p, enum progress_kind kind, struct span target,
    uint64_t time)
{
	struct sbuf b;
	bool ok;
	int saved;

	sbuf_init(&b, 2 * PROGRESS_LINE_MAX);
	if (p->length == 0)
		progress_begin(&b, LIST_ID, 0);
	progress_add(&b,
	    &(struct progress_record){
		.kind = kind, .time = time, .text = target });
	errno = ENOMEM;
	ok = !b.bad && progress_append(p->fd, &p->length, sbuf_span(&b));
	saved = errno;
	sbuf_free(&b);
	errno = saved;
	return ok;
}

/*
 * Killed anywhere in here: a list of both is read as well as one of the
 * paused alone, and it is cut only when nothing is.
 */
void
pause_init(struct sched *s)
{
	struct pauses *p = &s->pauses;

	p->fd = spool_paused_open(s->queue);
	if (p->fd == -1 ||
	    progress_read(p->fd, LIST_ID, 0, &p->length, replay, p) ==
		PROGRESS_IOERR) {
		warn_sys("cannot read 'paused' in the queue");
		return;
	}
	if (p->n == 0)
		p->length = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct logline l;

		log_begin(&l, NULL, "paused");
		log_str(&l, "dest", p->at[i].target);
		log_num(&l, "since", p->at[i].time);
		log_end(&l);
	}
}

enum pause_result
pause_add(struct sched *s, struct span target)
{
	struct pauses *p = &s->pauses;
	uint64_t now = s->wall / 1000000;

	if (find(p, target) != NULL)
		return PAUSE_ALREADY;
	if (p->n >= PAUSES_MAX)
		return PAUSE_FULL;
	if (!append(p, PROGRESS_PAUSE, target, now))
		return PAUSE_IOERR;
	return add(p, target, now) ? PAUSE_DONE : PAUSE_IOERR;
}

enum pause_result
pause_end(struct sched *s, struct span target)
{
	struct pauses *p = &s->pauses;
	struct pause *at = find(p, target);

	if (at == NULL)
		return PAUSE_ALREADY;
	if (!append(p, PROGRESS_RESUME, target, s->wall / 1000000))
		return PAUSE_IOERR;
	drop(p, at);
	return PAUSE_DONE;
}
