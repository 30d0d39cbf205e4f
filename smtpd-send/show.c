/* SPDX-License-Identifier: ISC */
/* What is told of a message that is in memory alone; and looking at its job. */
#include <stdlib.h>
#include <unistd.h>

#include "frame.h"
#include "scheduler.h"

/* Longer replies are cut: no frame is larger than this and a path. */
#define TEXT_MAX PROGRESS_REPLY_MAX

struct job *
view_begin(struct sched *s, struct message *m)
{
	struct job *job;
	bool loaded;
	int fd;

	if (m->job != NULL)
		return m->job;
	fd = spool_peek(s->queue, m);
	if (fd == -1)
		return NULL;
	job = job_new(s, m, -1); /* not locked, and not counted */
	if (job == NULL) {
		(void)close(fd);
		return NULL;
	}
	loaded = job_load(s, job, fd) == QUEUED_OK;
	(void)close(fd);
	if (loaded)
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

/* --- what the queue's files do not say ---------------------------------------------- */

static const char *
show_state(const struct message *m)
{
	if (m->job != NULL && m->job->will == WILL_HOLD)
		return "held";
	if (message_is_active(m))
		return "active";
	return m->step == STEP_HELD ? "held" : "waiting";
}

/* "ID STATE NEXT" */
static void
show_head(struct sched *s, const struct message *m, struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, 128);
	sbuf_addf(&b, "%s %s ", m->id, show_state(m));
	if (m->place == 0 || (m->job != NULL && m->job->will == WILL_HOLD))
		sbuf_putc(&b, '-');
	else
		sbuf_addf(&b, "%llu",
		    (unsigned long long)(m->due > s->now ?
			    (m->due - s->now) / 1000 :
			    0));
	frame_add(out, 'M', sbuf_span(&b));
	sbuf_free(&b);
}

/* Why it is not tried as usual. */
static void
show_reason(const struct message *m, struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, 1024);
	if (m->job != NULL && m->job->will == WILL_HOLD) {
		struct span who = job_ordered(m->job);

		(void)span_cut(&who, ' ');
		sbuf_adds(&b, "by ");
		sbuf_addspan(&b, who);
	} else if (m->parked_at != 0) {
		sbuf_adds(&b, "waits with others for its destination");
	}
	if (b.len > 0)
		frame_add(out, 'H', sbuf_span(&b));
	sbuf_free(&b);
}

static const char *
rcpt_word(const struct rcpt *r)
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
	return "waiting";
}

/* "INDEX STATE DESTINATION", and what was answered. */
static void
show_rcpt(struct sched *s, const struct rcpt *r, struct sbuf *out)
{
	struct span reply = span_str(r->reply != NULL ? r->reply : "");
	struct sbuf b;

	sbuf_init(&b, WHERE_MAX + 64);
	sbuf_addf(&b, "%u %s ", r->index, rcpt_word(r));
	route_destination(&b, s->conf, rcpt_target(r), rcpt_route(r));
	frame_add(out, 'R', sbuf_span(&b));
	sbuf_free(&b);
	if (reply.n > TEXT_MAX)
		reply.n = TEXT_MAX;
	if (reply.n > 0)
		frame_add(out, 'T', reply);
}

void
show_message(struct sched *s, struct message *m, uint32_t *from,
    struct sbuf *out, size_t full)
{
	const struct job *job = m->job;
	uint32_t n = *from;

	*from = 0;
	if (n == 0) {
		show_head(s, m, out);
		show_reason(m, out);
		n = 1;
	}
	for (; job != NULL && n <= job->nrcpts; n++) {
		if (out->len >= full) {
			*from = n;
			return;
		}
		show_rcpt(s, &job->rcpts[n - 1], out);
	}
}
