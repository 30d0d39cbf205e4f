/* SPDX-License-Identifier: ISC */
/* Destinations in the operator's words, and those that are paused. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "log.h"
#include "queuefile.h"
#include "route.h"
#include "scheduler.h"

#define LIST_ID "paused"

/* --- destinations in words ---------------------------------------------------- */

static struct span
rcpt_domain(const struct rcpt *r)
{
	struct span path = rcpt_address(r);
	struct address address;

	if (address_path(&path, ADDRESS_FORWARD, &address) != ADDRESS_OK)
		return span_of("", 0);
	return address.domain;
}

void
where_dest(struct sbuf *b, const struct conf *conf, const struct rcpt *r)
{
	if (rcpt_user(r).n > 0)
		return;
	if (r->route != 0)
		sbuf_addspan(b, rcpt_route(r));
	else
		route_find(b, conf, rcpt_domain(r));
}

bool
where_is_valid(struct span s)
{
	if (span_starts(s, SPAN("local:"))) {
		if (s.n > WHERE_MAX || s.n == sizeof("local:") - 1)
			return false;
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
				return false;
		return true;
	}
	return !span_eq(s, SPAN("-")) && route_target_valid(s);
}

bool
where_fits(struct span where, const struct conf *conf, const struct rcpt *r)
{
	struct sbuf b;
	bool fits;

	if (span_ieq(where, rcpt_domain(r)))
		return true;
	sbuf_init(&b, WHERE_MAX);
	route_destination(&b, conf, rcpt_target(r), rcpt_route(r));
	fits = rcpt_user(r).n > 0 ? span_eq(where, sbuf_span(&b)) :
				    span_ieq(where, sbuf_span(&b));
	sbuf_free(&b);
	return fits;
}

/* --- what is paused -------------------------------------------------------------- */

static struct pause *
paused_find(const struct paused *p, struct span where)
{
	for (size_t i = 0; i < p->n; i++)
		if (span_ieq(span_str(p->at[i].where), where))
			return &p->at[i];
	return NULL;
}

static bool
paused_enter(struct paused *p, struct span where, uint64_t time)
{
	struct pause *at = reallocarray(p->at, p->n + 1, sizeof(*at));
	char *text = strndup(where.p, where.n);

	if (at != NULL)
		p->at = at;
	if (at == NULL || text == NULL) {
		free(text);
		return false;
	}
	at[p->n++] = (struct pause){ text, crc32c(0, where.p, where.n) | 1,
		time };
	return true;
}

static void
paused_drop(struct paused *p, struct pause *at)
{
	free(at->where);
	*at = p->at[--p->n];
}

uint32_t
paused_for(const struct sched *s, const struct rcpt *r)
{
	const struct paused *p = &s->paused;

	for (size_t i = 0; i < p->n; i++)
		if (where_fits(span_str(p->at[i].where), s->conf, r))
			return p->at[i].hash;
	return 0;
}

/* --- the list on disk ------------------------------------------------------- */

static void
paused_replay(void *arg, const struct progress_record *r)
{
	struct paused *p = arg;
	struct pause *at = paused_find(p, r->text);

	if (r->kind == PROGRESS_PAUSE && at == NULL && p->n < PAUSED_MAX &&
	    where_is_valid(r->text))
		(void)paused_enter(p, r->text, r->time);
	else if (r->kind == PROGRESS_RESUME && at != NULL)
		paused_drop(p, at);
}

static bool
paused_append(struct paused *p, enum progress_kind kind, struct span where,
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
		.kind = kind, .time = time, .text = where });
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
paused_init(struct sched *s)
{
	struct paused *p = &s->paused;

	p->fd = spool_paused_open(s->queue);
	if (p->fd == -1 ||
	    progress_read(p->fd, LIST_ID, 0, &p->length, paused_replay, p) ==
		PROGRESS_IOERR) {
		warn_sys("cannot read 'paused' in the queue");
		return;
	}
	if (p->n == 0)
		p->length = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct logline l;

		log_begin(&l, NULL, "paused");
		log_str(&l, "dest", p->at[i].where);
		log_num(&l, "since", p->at[i].time);
		log_end(&l);
	}
}

enum paused_result
paused_add(struct sched *s, struct span where)
{
	struct paused *p = &s->paused;
	uint64_t now = s->wall / 1000000;

	if (paused_find(p, where) != NULL)
		return PAUSED_ALREADY;
	if (p->n >= PAUSED_MAX)
		return PAUSED_FULL;
	if (!paused_append(p, PROGRESS_PAUSE, where, now))
		return PAUSED_IOERR;
	return paused_enter(p, where, now) ? PAUSED_DONE : PAUSED_IOERR;
}

enum paused_result
paused_end(struct sched *s, struct span where)
{
	struct paused *p = &s->paused;
	struct pause *at = paused_find(p, where);

	if (at == NULL)
		return PAUSED_ALREADY;
	if (!paused_append(p, PROGRESS_RESUME, where, s->wall / 1000000))
		return PAUSED_IOERR;
	paused_drop(p, at);
	return PAUSED_DONE;
}
