/* SPDX-License-Identifier: ISC */
/* The conversation with smtpd-rcpt: one connection, questions pipelined. */
#include <errno.h>
#include <sys/socket.h>

#include "frame.h"
#include "log.h"
#include "scheduler.h"

#define RENEW_MS 100   /* after a death */
#define REDIAL_MS 1000 /* when it cannot be reached */
#define SOON_MS 5000   /* jobs it could not answer for */
#define OUT_MAX (INTAKE_PENDING * 1024)

static char room[FRAME_ROOM];

void
intake_init(struct intake *in)
{
	*in = (struct intake){ .tail = &in->head, .deadline = NEVER };
	chan_init_small(&in->chan, -1, room, sizeof(room));
	sbuf_init(&in->out, OUT_MAX);
}

int
intake_fd(const struct intake *in)
{
	return in->chan.in.fd;
}

void
intake_ask(struct sched *s, struct job *job)
{
	struct intake *in = &s->intake;

	job->ask_at = 0;
	job->unanswered = 0;
	job->ask_next = NULL;
	*in->tail = job;
	in->tail = &job->ask_next;
	in->njobs++;
}

static void
intake_leave(struct intake *in, struct job *job)
{
	struct job **p = &in->head;

	while (*p != NULL && *p != job)
		p = &(*p)->ask_next;
	if (*p == NULL)
		return;
	*p = job->ask_next;
	if (*p == NULL)
		in->tail = p;
}

static struct question *
intake_question(struct intake *in, unsigned i)
{
	return &in->pending[(in->first + i) % INTAKE_PENDING];
}

/* The message is to be asked for again: it leaves the line and the pending. */
static void
intake_give_up(struct sched *s, struct job *job, uint64_t ms)
{
	struct intake *in = &s->intake;

	intake_leave(in, job);
	for (unsigned i = 0; i < in->npending; i++)
		if (intake_question(in, i)->job == job)
			intake_question(in, i)->job = NULL;
	in->njobs--;
	job->wake = s->now + ms;
	life_event(s, job->message, LIFE_UNASKED);
}

/*
 * Jobs with a question on the way wait for a while; those in line are asked
 * for at the next connection. The one that was being answered waits longer:
 * it may be the one that kills smtpd-rcpt, and must not take the others along.
 */
static void
intake_disconnect(struct sched *s, const char *why)
{
	struct intake *in = &s->intake;
	struct job *first = in->npending > 0 ? intake_question(in, 0)->job :
					       NULL;

	if (!in->failing)
		warn("smtpd-rcpt ('%s') cannot be used: %s", s->conf->rcpt,
		    why);
	in->failing = true;
	chan_close(&in->chan);
	in->deadline = NEVER;
	in->again = s->now + RENEW_MS;
	sbuf_reset(&in->out);
	if (first != NULL) {
		if (in->answering)
			job_unexpand(s, first, in->mark);
		intake_give_up(s, first, 12 * SOON_MS);
	}
	in->answering = false;
	for (unsigned i = 0; i < in->npending; i++)
		if (intake_question(in, i)->job != NULL)
			intake_give_up(s, intake_question(in, i)->job, SOON_MS);
	in->npending = 0;
}

static bool
intake_connect(struct sched *s)
{
	struct intake *in = &s->intake;
	int fd;

	if (intake_fd(in) != -1)
		return true;
	if (s->now < in->again)
		return false;
	fd = sched_dial(s->conf->rcpt, s->conf);
	if (fd == -1) {
		intake_disconnect(s, strerror(errno));
		in->again = s->now + REDIAL_MS;
		/* Make room in line for those that need no smtpd-rcpt. */
		while (in->head != NULL)
			intake_give_up(s, in->head, SOON_MS);
		return false;
	}
	chan_init_small(&in->chan, fd, room, sizeof(room));
	return true;
}

/* Puts questions of the job on the way; false when there is room no more. */
static bool
intake_ask_some(struct sched *s, struct job *job)
{
	struct intake *in = &s->intake;

	for (; job->ask_at < job->naddressees; job->ask_at++) {
		if (job->addressees[job->ask_at].state != ADDRESSEE_UNASKED)
			continue;
		if (in->npending == INTAKE_PENDING)
			return false;
		*intake_question(in, in->npending++) = (struct question){ job,
			job->ask_at };
		job->unanswered++;
		frame_add(&in->out, job->junk ? 'J' : 'L',
		    addressee_path(job, job->ask_at));
	}
	return true;
}

/* There is always room: so few short questions fit into a socket. */
static void
intake_write(struct sched *s)
{
	struct intake *in = &s->intake;
	enum io r = chan_push(&in->chan, &in->out);

	if (r != IO_OK)
		intake_disconnect(s,
		    r == IO_TIMEOUT ? "it does not read" : strerror(errno));
}

instant
intake_pump(struct sched *s)
{
	struct intake *in = &s->intake;

	if (in->npending > 0 && s->now >= in->deadline)
		intake_disconnect(s, "no answer in time");
	if (in->head == NULL && in->out.len == 0)
		return in->deadline;
	if (!intake_connect(s))
		return in->again;
	if (in->npending == 0)
		in->deadline = s->now + s->conf->helper_timeout * 1000;
	while (in->head != NULL && intake_ask_some(s, in->head)) {
		in->head = in->head->ask_next;
		if (in->head == NULL)
			in->tail = &in->head;
	}
	intake_write(s);
	return intake_fd(in) == -1 ? in->again : in->deadline;
}

static void
intake_answered(struct sched *s, enum addressee_state state, struct span reply)
{
	struct intake *in = &s->intake;
	struct question q = *intake_question(in, 0);

	in->first = (in->first + 1) % INTAKE_PENDING;
	in->npending--;
	in->answering = in->failing = false;
	in->deadline = in->npending == 0 ?
	    NEVER :
	    s->now + s->conf->helper_timeout * 1000;
	if (q.job == NULL)
		return;
	attempt_answer(s, q.job, q.addressee, state, reply);
	q.job->unanswered--;
	if (q.job->unanswered == 0 && q.job->ask_at == q.job->naddressees) {
		in->njobs--;
		life_event(s, q.job->message, LIFE_EXPANDED);
	}
}

static void
intake_refuse(struct sched *s, struct job *job, const char *why)
{
	if (job != NULL)
		job_unexpand(s, job, s->intake.mark);
	intake_answered(s, ADDRESSEE_DEFERRED, span_str(why));
}

/* False: this is not smtpd-rcpt. */
static bool
intake_take(struct sched *s, const struct frame *f)
{
	struct intake *in = &s->intake;
	struct question *q = intake_question(in, 0);

	if (in->npending == 0)
		return false;
	if (!in->answering) {
		in->mark = q->job != NULL ? q->job->nrcpts : 0;
		in->answering = true;
		in->refused = false;
	}
	switch (f->tag) {
	case 'T':
		if (q->job != NULL && !in->refused)
			in->refused = !job_expand(s, q->job, q->addressee,
			    f->payload);
		return true;
	case 'K':
		if (in->refused)
			intake_refuse(s, q->job,
			    "451 4.3.0 the expansion is too large");
		else if (q->job != NULL && q->job->nrcpts == in->mark)
			intake_refuse(s, q->job,
			    "451 4.3.0 the expansion is empty");
		else
			intake_answered(s, ADDRESSEE_EXPANDED, f->payload);
		return true;
	case 'Z':
	case 'X':
		if (q->job != NULL)
			job_unexpand(s, q->job, in->mark);
		intake_answered(s,
		    f->tag == 'X' ? ADDRESSEE_REFUSED : ADDRESSEE_DEFERRED,
		    f->payload);
		return true;
	}
	return ascii_lower(f->tag) == f->tag;
}

void
intake_ready(struct sched *s)
{
	struct intake *in = &s->intake;
	struct frame f;
	enum io r = chan_fill(&in->chan);

	if (r == IO_TIMEOUT)
		return;
	if (r != IO_OK) {
		/* At rest it may come and go as it likes. */
		if (in->npending == 0)
			chan_close(&in->chan);
		else
			intake_disconnect(s,
			    r == IO_EOF ? "it ended" : strerror(errno));
		return;
	}
	while (intake_fd(in) != -1 && (r = chan_next(&in->chan, &f)) == IO_OK)
		if (!intake_take(s, &f)) {
			intake_disconnect(s, "malformed answer");
			return;
		}
	if (r == IO_ERROR)
		intake_disconnect(s, "malformed answer");
}
