/* SPDX-License-Identifier: ISC */
/* The conversation with smtpd-bounce: senders are told what became of mail. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"
#include "frame.h"
#include "log.h"
#include "sched.h"
#include "talk.h"

#define REDIAL_MS 1000
#define BACKLOG_MS 50
#define OUT_MAX (16 * 1024 * 1024)

void
report_init(struct reports *r)
{
	*r = (struct reports){ .tail = &r->head };
	for (unsigned i = 0; i < REPORT_SLOTS; i++) {
		r->slot[i].fd = -1;
		sbuf_init(&r->slot[i].out, OUT_MAX);
	}
}

void
report_ask(struct sched *s, struct job *job)
{
	struct reports *r = &s->reports;

	job->report_next = NULL;
	*r->tail = job;
	r->tail = &job->report_next;
}

static struct job *
take_first(struct reports *r)
{
	struct job *job = r->head;

	r->head = job->report_next;
	if (r->head == NULL)
		r->tail = &r->head;
	return job;
}

static void
end(struct sched *s, struct report *p)
{
	(void)close(p->fd);
	p->fd = -1;
	/* A long one is the exception: its memory is not kept. */
	sbuf_free(&p->out);
	sbuf_init(&p->out, OUT_MAX);
	s->reports.nbusy--;
}

/* The job's answer; the slot is free for the next. */
static void
answered(struct sched *s, struct report *p, bool ok, struct span reply)
{
	struct job *job = p->job;

	p->job = NULL;
	if (job != NULL)
		job_reported(s, job, ok, reply);
}

static void
lose(struct sched *s, struct report *p, const char *why)
{
	char reply[160];
	int n = snprintf(reply, sizeof(reply), "451 4.3.0 smtpd-bounce: %s",
	    why);

	end(s, p);
	answered(s, p, false, span_of(reply, (size_t)n));
}

/* Writes what the socket takes; the descriptor goes with the first octet. */
static void
write_out(struct sched *s, struct report *p)
{
	ssize_t n;

	if (p->sent == 0)
		n = talk_send_fd(p->fd, sbuf_span(&p->out), p->job->fd);
	else
		n = send(p->fd, p->out.s + p->sent, p->out.len - p->sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		p->sent += (size_t)n;
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		lose(s, p, strerror(errno));
}

static void
begin(struct sched *s, struct report *p)
{
	struct job *job = take_first(&s->reports);

	p->job = job;
	p->len = p->sent = 0;
	p->deadline = s->now + s->conf->helper_timeout * 1000 * REPORT_PATIENCE;
	sbuf_reset(&p->out);
	job_report_frames(s, job, &p->out);
	if (p->out.bad || !job_reopen(s, job))
		answered(s, p, false,
		    SPAN("451 4.3.0 cannot open the message"));
	else
		write_out(s, p);
}

/* The whole line waits for its next try. */
static void
give_up(struct sched *s, int err)
{
	struct reports *r = &s->reports;

	r->again = s->now + (err == EAGAIN ? BACKLOG_MS : REDIAL_MS);
	if (err == EAGAIN)
		return;
	if (!r->failing)
		warn("smtpd-bounce ('%s') cannot be reached: %s",
		    s->conf->bouncer, strerror(err));
	r->failing = true;
	while (r->head != NULL)
		job_reported(s, take_first(r), false,
		    SPAN("451 4.3.0 smtpd-bounce cannot be reached"));
}

static bool
open_slot(struct sched *s, struct report *p)
{
	p->fd = dial(s->conf->bouncer, s->conf);
	if (p->fd == -1) {
		give_up(s, errno);
		return false;
	}
	s->reports.failing = false;
	s->reports.nbusy++;
	p->job = NULL;
	return true;
}

/* The next one on the same connection, or the end of it. */
static void
go_on(struct sched *s, struct report *p)
{
	while (p->fd != -1 && p->job == NULL && s->reports.head != NULL)
		begin(s, p);
	if (p->fd != -1 && p->job == NULL)
		end(s, p);
}

static void
take_frame(struct sched *s, struct report *p)
{
	struct frame f;
	size_t used;

	switch (frame_parse(span_of(p->in, p->len), &f, &used)) {
	case FRAME_MORE:
		if (p->len == sizeof(p->in))
			lose(s, p, "it does not make sense");
		return;
	case FRAME_BAD:
		lose(s, p, "it does not make sense");
		return;
	case FRAME_READY:
		break;
	}
	if (used != p->len || p->sent != p->out.len ||
	    memchr("KZX", f.tag, 3) == NULL)
		lose(s, p, f.tag == 'D' ? "it died" : "it does not make sense");
	else
		answered(s, p, f.tag == 'K', f.payload);
}

static void
ready(struct sched *s, void *arg)
{
	struct report *p = arg;
	ssize_t n;

	if (p->sent < p->out.len) {
		write_out(s, p);
		if (p->fd == -1)
			return;
	}
	n = recv(p->fd, p->in + p->len, sizeof(p->in) - p->len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(s, p, n == 0 ? "it ended" : strerror(errno));
		return;
	}
	p->len += (size_t)n;
	take_frame(s, p);
	go_on(s, p);
}

void
report_watch(struct sched *s, struct watch *w)
{
	for (unsigned i = 0; i < REPORT_SLOTS; i++) {
		struct report *p = &s->reports.slot[i];
		short events = POLLIN;

		if (p->fd != -1 && p->sent < p->out.len)
			events |= POLLOUT;
		watch_add(w, p->fd, events, ready, p);
	}
}

instant
report_pump(struct sched *s)
{
	struct reports *r = &s->reports;
	instant next = NEVER;

	for (unsigned i = 0; i < REPORT_SLOTS; i++) {
		struct report *p = &r->slot[i];

		if (p->fd != -1 && s->now >= p->deadline)
			lose(s, p, "no answer in time");
		if (p->fd == -1 && r->head != NULL && s->now >= r->again &&
		    open_slot(s, p))
			go_on(s, p);
		if (p->fd != -1 && p->deadline < next)
			next = p->deadline;
	}
	if (r->head != NULL && r->again > s->now && r->again < next)
		next = r->again;
	return next;
}
