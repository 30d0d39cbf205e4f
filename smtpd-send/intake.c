/* SPDX-License-Identifier: ISC */
/* The conversation with smtpd-rcpt: one connection, questions pipelined. */
#include <errno.h>
#include <sys/socket.h>

#include "dial.h"
#include "frame.h"
#include "log.h"
#include "sched.h"

#define RENEW_MS 100   /* after a death */
#define REDIAL_MS 1000 /* when it cannot be reached */
#define SOON_MS 5000   /* jobs it could not answer for */
#define OUT_MAX (INTAKE_PENDING * 1024)

static struct chan chan;

void
intake_init(struct intake *in)
{
	*in = (struct intake){
		.chan = &chan, .tail = &in->head, .deadline = NEVER
	};
	chan_init(&chan, -1, -1);
	sbuf_init(&in->out, OUT_MAX);
}

int
intake_fd(const struct intake *in)
{
	return in->chan->in.fd;
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
leave_line(struct intake *in, struct job *job)
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
question(struct intake *in, unsigned i)
{
	return &in->pending[(in->first + i) % INTAKE_PENDING];
}

/* The message is to be asked for again: it leaves the line and the pending. */
static void
give_up(struct sched *s, struct job *job, uint64_t ms)
{
	struct intake *in = &s->intake;

	leave_line(in, job);
	for (unsigned i = 0; i < in->npending; i++)
		if (question(in, i)->job == job)
			question(in, i)->job = NULL;
	in->njobs--;
	job_release(s, job, ms);
}

/*
 * Jobs with a question on the way wait for a while; those in line are asked
 * for at the next connection. Whose question was being answered waits longer:
 * it may be the one that kills smtpd-rcpt, and must not take the others along.
 */
static void
disconnect(struct sched *s, const char *why)
{
	struct intake *in = &s->intake;
	struct job *first = in->npending > 0 ? question(in, 0)->job : NULL;

	if (!in->failing)
		warn("smtpd-rcpt ('%s') cannot answer: %s", s->conf->rcpt, why);
	in->failing = true;
	chan_close(in->chan);
	in->deadline = NEVER;
	in->again = s->now + RENEW_MS;
	sbuf_reset(&in->out);
	if (first != NULL) {
		if (in->answering)
			job_unexpand(s, first, in->mark);
		give_up(s, first, 12 * SOON_MS);
	}
	in->answering = false;
	for (unsigned i = 0; i < in->npending; i++)
		if (question(in, i)->job != NULL)
			give_up(s, question(in, i)->job, SOON_MS);
	in->npending = 0;
}

static bool
connect_now(struct sched *s)
{
	struct intake *in = &s->intake;
	int fd;

	if (intake_fd(in) != -1)
		return true;
	if (s->now < in->again)
		return false;
	fd = dial(s->conf->rcpt, s->conf);
	if (fd == -1) {
		disconnect(s, strerror(errno));
		in->again = s->now + REDIAL_MS;
		/* Make room in line for those that need no smtpd-rcpt. */
		while (in->head != NULL)
			give_up(s, in->head, SOON_MS);
		return false;
	}
	chan_init(in->chan, fd, fd);
	return true;
}

/* Puts questions of the job on the way; false when there is room no more. */
static bool
ask_some(struct sched *s, struct job *job)
{
	struct intake *in = &s->intake;

	for (; job->ask_at < job->norigins; job->ask_at++) {
		if (job->origins[job->ask_at].state != ORIGIN_UNASKED)
			continue;
		if (in->npending == INTAKE_PENDING)
			return false;
		*question(in, in->npending++) = (struct question){ job,
			job->ask_at };
		job->unanswered++;
		frame_add(&in->out, job->junk ? 'J' : 'L',
		    origin_path(job, job->ask_at));
	}
	return true;
}

/* There is always room: so few short questions fit into a socket. */
static void
write_out(struct sched *s)
{
	struct intake *in = &s->intake;
	ssize_t n;

	if (in->out.len == 0)
		return;
	n = send(intake_fd(in), in->out.s, in->out.len,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (in->out.bad || n != (ssize_t)in->out.len) {
		disconnect(s, n < 0 ? strerror(errno) : "it does not read");
		return;
	}
	sbuf_reset(&in->out);
}

instant
intake_pump(struct sched *s)
{
	struct intake *in = &s->intake;

	if (in->npending > 0 && s->now >= in->deadline)
		disconnect(s, "no answer in time");
	if (in->head == NULL && in->out.len == 0)
		return in->deadline;
	if (!connect_now(s))
		return in->again;
	if (in->npending == 0)
		in->deadline = s->now + s->conf->helper_timeout * 1000;
	while (in->head != NULL && ask_some(s, in->head)) {
		in->head = in->head->ask_next;
		if (in->head == NULL)
			in->tail = &in->head;
	}
	write_out(s);
	return intake_fd(in) == -1 ? in->again : in->deadline;
}

static void
answered(struct sched *s, enum origin_state state, struct span reply)
{
	struct intake *in = &s->intake;
	struct question q = *question(in, 0);

	in->first = (in->first + 1) % INTAKE_PENDING;
	in->npending--;
	in->answering = in->failing = false;
	in->deadline = in->npending == 0 ?
	    NEVER :
	    s->now + s->conf->helper_timeout * 1000;
	if (q.job == NULL)
		return;
	job_answered(s, q.job, q.origin, state, reply);
	q.job->unanswered--;
	if (q.job->unanswered == 0 && q.job->ask_at == q.job->norigins) {
		in->njobs--;
		job_expanded(s, q.job);
	}
}

static void
refuse_expansion(struct sched *s, struct job *job, const char *why)
{
	if (job != NULL)
		job_unexpand(s, job, s->intake.mark);
	answered(s, ORIGIN_DEFERRED, span_str(why));
}

/* False: this is not smtpd-rcpt. */
static bool
take(struct sched *s, const struct frame *f)
{
	struct intake *in = &s->intake;
	struct question *q = question(in, 0);

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
			in->refused = !job_expand(s, q->job, q->origin,
			    f->payload);
		return true;
	case 'K':
		if (in->refused)
			refuse_expansion(s, q->job,
			    "451 4.3.0 the expansion is too large");
		else if (q->job != NULL && q->job->nrcpts == in->mark)
			refuse_expansion(s, q->job,
			    "451 4.3.0 the expansion is empty");
		else
			answered(s, ORIGIN_EXPANDED, f->payload);
		return true;
	case 'Z':
	case 'X':
		if (q->job != NULL)
			job_unexpand(s, q->job, in->mark);
		answered(s, f->tag == 'X' ? ORIGIN_REFUSED : ORIGIN_DEFERRED,
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
	enum io r = chan_fill(in->chan);

	if (r == IO_TIMEOUT)
		return;
	if (r != IO_OK) {
		/* At rest it may come and go as it likes. */
		if (in->npending == 0)
			chan_close(in->chan);
		else
			disconnect(s,
			    r == IO_EOF ? "it ended" : strerror(errno));
		return;
	}
	while (intake_fd(in) != -1 && (r = chan_next(in->chan, &f)) == IO_OK)
		if (!take(s, &f)) {
			disconnect(s, "it does not make sense");
			return;
		}
	if (r == IO_ERROR)
		disconnect(s, "it does not make sense");
}
