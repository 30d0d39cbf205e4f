/* SPDX-License-Identifier: ISC */
/* What the operator is told of a message, read anew each time. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "frame.h"
#include "job-parts.h"
#include "order.h"
#include "spool.h"
#include "target.h"

/* Longer replies are cut: no frame is larger than this and a path. */
#define TEXT_MAX PROGRESS_REPLY_MAX

struct job *
view_begin(struct sched *s, struct message *m, const char **why)
{
	struct job *job;
	enum load_result r;
	int fd;

	*why = NULL;
	if (m->job != NULL)
		return m->job;
	fd = spool_peek(s->queue, m);
	if (fd == -1) {
		if (errno != EACCES && errno != ENOENT)
			*why = strerror(errno);
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		(void)close(fd);
		*why = strerror(ENOMEM);
		return NULL;
	}
	job->message = m;
	job->fd = -1; /* it is nobody's to lock or to count */
	r = job_load(s, job, fd);
	if (r == LOAD_IOERR)
		*why = strerror(errno);
	else if (r == LOAD_CORRUPT ||
	    (r == LOAD_TORN && (m->flags & MESSAGE_HELD) != 0))
		*why = "the queue file is damaged";
	(void)close(fd);
	if (r == LOAD_OK)
		return job;
	job_free(s, job);
	return NULL;
}

void
view_end(struct sched *s, struct message *m, struct job *job)
{
	if (m->job != job)
		job_free(s, job);
}

/* --- the message ----------------------------------------------------------------- */

static const char *
state_of(const struct message *m, const struct job *job)
{
	if (job != NULL && job->kept)
		return "held";
	if (message_is_active(m))
		return "active";
	if (job == NULL)
		return "damaged";
	return (m->flags & MESSAGE_HELD) != 0 ? "held" : "waiting";
}

/* "ID SIZE TRIES STATE NEXT SENDER" */
static void
add_head(struct sched *s, const struct message *m, const struct job *job,
    struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, 1024);
	sbuf_addf(&b, "%s %llu %u %s ", m->id,
	    (unsigned long long)(job != NULL ? job->size : 0), m->attempts,
	    state_of(m, job));
	if (m->place == 0 || (job != NULL && job->kept))
		sbuf_putc(&b, '-');
	else
		sbuf_addf(&b, "%llu",
		    (unsigned long long)(m->due > s->now ?
			    (m->due - s->now) / 1000 :
			    0));
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, job != NULL ? job_sender(job) : SPAN("-"));
	frame_add(out, 'M', sbuf_span(&b));
	sbuf_free(&b);
}

/* Why it is not tried as usual. */
static void
add_reason(const struct message *m, const struct job *job, const char *why,
    struct sbuf *out)
{
	struct span who;
	struct sbuf b;

	sbuf_init(&b, 1024);
	if (job == NULL) {
		sbuf_adds(&b, why);
	} else if (job->given_up) {
		sbuf_adds(&b, "given up, its sender is to be told");
	} else if (job->kept) {
		who = job_ordered(job);
		(void)span_cut(&who, ' ');
		sbuf_adds(&b, "by ");
		sbuf_addspan(&b, who);
	} else if (job->hold == HOLD_CRASH) {
		sbuf_adds(&b, "its delivery crashes");
	} else if (job->hold == HOLD_EXPIRED) {
		sbuf_adds(&b, "it is too old, its sender is to be told");
	} else if (m->parked_at != 0) {
		sbuf_adds(&b, "waits with others for its destination");
	}
	if (b.len > 0)
		frame_add(out, 'H', sbuf_span(&b));
	sbuf_free(&b);
}

/* The facts of its acceptance, as smtpd-queue has them. */
static void
add_facts(struct sched *s, const struct message *m, struct sbuf *out)
{
	struct queuefile q;
	struct frame f;
	size_t pos = 0;
	int fd = spool_peek(s->queue, m);

	if (fd == -1)
		return;
	if (queuefile_open(&q, fd, m->id) == QUEUEFILE_OK) {
		while (queuefile_next(&q, &pos, &f))
			if (f.tag == 'C')
				frame_add(out, 'C', f.payload);
		queuefile_close(&q);
	}
	(void)close(fd);
}

/* --- its recipients --------------------------------------------------------------- */

static void
add_reply(const char *reply, struct sbuf *out)
{
	struct span s;

	if (reply == NULL)
		return;
	s = span_str(reply);
	if (s.n > TEXT_MAX)
		s.n = TEXT_MAX;
	frame_add(out, 'T', s);
}

/* "STATE DESTINATION <path>", and what was answered. */
static void
add_subject(const char *state, struct span target, struct span path,
    const char *reply, struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, TARGET_MAX + 1024);
	sbuf_adds(&b, state);
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, target.n > 0 ? target : SPAN("-"));
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, path);
	frame_add(out, 'R', sbuf_span(&b));
	sbuf_free(&b);
	add_reply(reply, out);
}

static const char *
rcpt_word(const struct sched *s, const struct rcpt *r)
{
	switch ((enum rcpt_state)r->state) {
	case RCPT_OPEN:
	case RCPT_DEFERRED:
		break;
	case RCPT_BUSY:
		return "active";
	case RCPT_FAILED:
		return "failed";
	case RCPT_DELIVERED:
		return "delivered";
	case RCPT_BOUNCED:
		return "bounced";
	}
	return pause_of(s, r) != 0 ? "paused" : "waiting";
}

static const char *
origin_word(const struct origin *o)
{
	switch ((enum origin_state)o->state) {
	case ORIGIN_UNASKED:
	case ORIGIN_EXPANDED:
	case ORIGIN_DEFERRED:
		break;
	case ORIGIN_REFUSED:
		return "failed";
	case ORIGIN_BOUNCED:
		return "bounced";
	}
	return "waiting";
}

static void
add_rcpt(struct sched *s, const struct rcpt *r, struct sbuf *out)
{
	struct sbuf target;

	sbuf_init(&target, TARGET_MAX);
	target_of(&target, s->conf, r);
	add_subject(rcpt_word(s, r), sbuf_span(&target), rcpt_address(r),
	    r->reply, out);
	sbuf_free(&target);
}

/* Subjects are numbered from 1: the rcpts, and then the origins. */
static bool
add_nth(struct sched *s, const struct job *job, uint32_t n, bool all,
    struct sbuf *out)
{
	const struct origin *o;

	if (n > job->nrcpts + job->norigins)
		return false;
	if (n <= job->nrcpts) {
		if (all || !rcpt_is_done(&job->rcpts[n - 1]))
			add_rcpt(s, &job->rcpts[n - 1], out);
		return true;
	}
	n -= job->nrcpts + 1;
	o = &job->origins[n];
	if (o->state != ORIGIN_EXPANDED && (all || !origin_is_done(o)))
		add_subject(origin_word(o), SPAN("-"), origin_path(job, n),
		    o->reply, out);
	return true;
}

bool
show_message(struct sched *s, struct message *m, bool all, uint32_t *from,
    struct sbuf *out, size_t full)
{
	const char *why;
	struct job *job = view_begin(s, m, &why);
	uint32_t n = *from;

	*from = 0;
	if (job == NULL && why == NULL)
		return false;
	if (n == 0) {
		add_head(s, m, job, out);
		add_reason(m, job, why, out);
		if (all && job != NULL)
			add_facts(s, m, out);
		n = 1;
	}
	for (; job != NULL && add_nth(s, job, n, all, out); n++)
		if (out->len >= full) {
			*from = n + 1;
			break;
		}
	if (job != NULL)
		view_end(s, m, job);
	return true;
}
