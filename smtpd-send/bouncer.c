/* SPDX-License-Identifier: ISC */
/* Notices: smtpd-bounce is told what to write of a message. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "job.h"
#include "log.h"
#include "scheduler.h"

#define REDIAL_MS 1000
#define BACKLOG_MS 50
#define OUT_MAX (16 * 1024 * 1024)

/* --- the recipients of a notice ---------------------------------------------------------- */

/* One that it names: a rcpt, or an addressee that never became one. */
struct subject {
	struct rcpt *rcpt; /* or NULL */
	struct addressee *addressee;
	uint32_t index;
	struct span address;
	const char *reply;
	bool failed; /* refused; or else deferred until now */
};

static bool
notice_names(enum notice notice, bool failed, bool waits)
{
	switch (notice) {
	case NOTICE_NONE:
		break;
	case NOTICE_REFUSED:
		return failed;
	case NOTICE_EXPIRED:
	case NOTICE_ORDERED:
		return failed || waits;
	case NOTICE_DELAYED:
	case NOTICE_HELD:
		return waits;
	}
	return false;
}

static bool
notice_rcpt(struct job *job, unsigned i, struct subject *u)
{
	struct rcpt *r = &job->rcpts[i];
	bool failed = r->state == RCPT_FAILED;

	*u = (struct subject){ r, NULL, r->index, rcpt_address(r), r->reply,
		failed };
	return notice_names(job->notice, failed,
	    r->state == RCPT_DEFERRED || r->state == RCPT_OPEN);
}

static bool
notice_addressee(struct job *job, unsigned i, struct subject *u)
{
	struct addressee *a = &job->addressees[i];
	bool failed = a->state == ADDRESSEE_REFUSED;

	*u = (struct subject){ NULL, a, i, addressee_path(job, i), a->reply,
		failed };
	return notice_names(job->notice, failed,
	    a->state == ADDRESSEE_DEFERRED || a->state == ADDRESSEE_UNASKED);
}

/* Calls each with those of one notice: the same ones until it changes them. */
static void
notice_subjects(struct job *job, void (*each)(void *, const struct subject *),
    void *arg)
{
	unsigned left = BOUNCER_RCPTS;
	struct subject u;

	for (unsigned i = 0; i < job->nrcpts && left > 0; i++)
		if (notice_rcpt(job, i, &u)) {
			each(arg, &u);
			left--;
		}
	for (unsigned i = 0; i < job->naddressees && left > 0; i++)
		if (notice_addressee(job, i, &u)) {
			each(arg, &u);
			left--;
		}
}

struct writing {
	struct sbuf *out;
	enum notice notice;
};

static const char *
notice_why(enum notice notice, bool failed)
{
	switch (notice) {
	case NOTICE_NONE:
	case NOTICE_REFUSED:
		break;
	case NOTICE_EXPIRED:
		return failed ? "failed" : "expired";
	case NOTICE_ORDERED:
		return failed ? "failed" : "ordered";
	case NOTICE_DELAYED:
	case NOTICE_HELD:
		return "delayed";
	}
	return "failed";
}

static void
notice_write_subject(void *arg, const struct subject *u)
{
	const struct writing *w = arg;
	struct span host = job_reply_host(u->reply);
	struct span text = job_reply_text(u->reply);
	struct sbuf b;

	sbuf_init(&b, PROGRESS_REPLY_MAX + 2048);
	sbuf_adds(&b, notice_why(w->notice, u->failed));
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, host);
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, u->address);
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, text.n > 0 ? text : SPAN("450 4.4.7 Not delivered"));
	frame_add(w->out, 'F', sbuf_span(&b));
	if (b.bad)
		w->out->bad = true;
	sbuf_free(&b);
}

/* The frames of the request. */
static void
bouncer_write_notice(struct job *job, struct sbuf *out)
{
	static const char *const kinds[] = {
		[NOTICE_NONE] = "",
		[NOTICE_REFUSED] = "failed",
		[NOTICE_EXPIRED] = "failed",
		[NOTICE_ORDERED] = "failed",
		[NOTICE_DELAYED] = "delayed",
		[NOTICE_HELD] = "held",
	};
	struct writing w = { out, job->notice };
	char text[QUEUE_ID_SIZE + 16];
	int n = snprintf(text, sizeof(text), "%s %s", job->message->id,
	    kinds[job->notice]);

	frame_add(out, 'D', span_of(text, (size_t)n));
	notice_subjects(job, notice_write_subject, &w);
	frame_add(out, 'E', SPAN(""));
}

/* --- it is in the queue -------------------------------------------------------------- */

struct settling {
	struct sched *s;
	struct job *job;
	struct span id;
};

/*
 * Crash states: the notice is in the queue and no line says so, or there is a
 * line and no record: it is sent once more. Recorded, and not removed: the
 * next start removes it.
 */
static void
notice_settle_subject(void *arg, const struct subject *u)
{
	const struct settling *t = arg;
	bool expired = !u->failed && t->job->notice == NOTICE_EXPIRED;

	if (u->rcpt != NULL) {
		u->rcpt->state = RCPT_BOUNCED;
		u->rcpt->recorded = true;
	} else {
		u->addressee->state = ADDRESSEE_BOUNCED;
	}
	event_end(t->s, t->job, expired ? "expired" : "bounced",
	    &(struct event_end){ u->index, u->address, t->id, u->reply });
	job_log_verdict(t->s, t->job, PROGRESS_BOUNCED, u->index, t->id);
}

static void
notice_record_told(struct sched *s, struct job *job, const char *what,
    struct span id)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s %.*s", what,
	    (int)(id.n < 40 ? id.n : 40), id.p);

	job_log(job,
	    &(struct progress_record){ .kind = PROGRESS_TOLD,
		.number = job->message->attempts,
		.time = s->wall / 1000000,
		.text = span_of(text, (size_t)n) });
}

static void
notice_settle(struct sched *s, struct job *job, struct span id)
{
	struct settling t = { s, job, id };

	switch (job->notice) {
	case NOTICE_NONE:
		break;
	case NOTICE_REFUSED:
	case NOTICE_EXPIRED:
	case NOTICE_ORDERED:
		notice_subjects(job, notice_settle_subject, &t);
		break;
	case NOTICE_DELAYED:
		job->told_delay = true;
		notice_record_told(s, job, "delayed", id);
		break;
	case NOTICE_HELD:
		job->told_hold = true;
		notice_record_told(s, job, "held", id);
		break;
	}
	/* At its end it needs no records: it is removed right now. */
	if (job_left(job) > 0 && job_save(s, job))
		sync_ask(s, job);
}

static void
notice_answered(struct sched *s, struct job *job, bool ok, struct span reply)
{
	if (ok)
		notice_settle(s, job, reply);
	else
		event_unreported(job, reply);
	life_event(s, job->message, ok ? LIFE_NOTICED : LIFE_UNNOTICED);
}

/* --- the conversation --------------------------------------------------------------- */

void
bouncer_init(struct bouncer *r)
{
	*r = (struct bouncer){ .tail = &r->head };
	for (unsigned i = 0; i < BOUNCER_SLOTS; i++) {
		r->slot[i].chan.in.fd = -1;
		sbuf_init(&r->slot[i].out, OUT_MAX);
	}
}

void
bouncer_ask(struct sched *s, struct job *job)
{
	struct bouncer *r = &s->bouncer;

	job->bouncer_next = NULL;
	*r->tail = job;
	r->tail = &job->bouncer_next;
}

static struct job *
bouncer_take_first(struct bouncer *r)
{
	struct job *job = r->head;

	r->head = job->bouncer_next;
	if (r->head == NULL)
		r->tail = &r->head;
	return job;
}

static void
bouncer_end(struct sched *s, struct bouncer_slot *p)
{
	chan_close(&p->chan);
	/* A long one is the exception: its memory is not kept. */
	sbuf_free(&p->out);
	sbuf_init(&p->out, OUT_MAX);
	s->bouncer.nbusy--;
}

/* The job's answer; the slot is free for the next. */
static void
bouncer_answered(struct sched *s, struct bouncer_slot *p, bool ok,
    struct span reply)
{
	struct job *job = p->job;

	p->job = NULL;
	if (job != NULL)
		notice_answered(s, job, ok, reply);
}

static void
bouncer_lose(struct sched *s, struct bouncer_slot *p, const char *why)
{
	char reply[160];
	int n = snprintf(reply, sizeof(reply), "451 4.3.0 smtpd-bounce: %s",
	    why);

	bouncer_end(s, p);
	bouncer_answered(s, p, false, span_of(reply, (size_t)n));
}

static void
bouncer_write(struct sched *s, struct bouncer_slot *p)
{
	if (chan_push(&p->chan, &p->out) == IO_ERROR)
		bouncer_lose(s, p, strerror(errno));
}

static void
bouncer_begin(struct sched *s, struct bouncer_slot *p)
{
	struct job *job = bouncer_take_first(&s->bouncer);

	p->job = job;
	p->deadline = s->now +
	    s->conf->helper_timeout * 1000 * BOUNCER_PATIENCE;
	sbuf_reset(&p->out);
	bouncer_write_notice(job, &p->out);
	if (p->out.bad || job_open_file(s, job) != SPOOL_OPENED ||
	    chan_attach(&p->chan, job->fd, 0) != IO_OK)
		bouncer_answered(s, p, false,
		    SPAN("451 4.3.0 cannot open the message"));
	else
		bouncer_write(s, p);
}

/* The whole line waits for its next try. */
static void
bouncer_give_up(struct sched *s, int err)
{
	struct bouncer *r = &s->bouncer;

	r->again = s->now + (err == EAGAIN ? BACKLOG_MS : REDIAL_MS);
	if (err == EAGAIN)
		return;
	if (!r->failing)
		warn("smtpd-bounce ('%s') cannot be reached: %s",
		    s->conf->bouncer, strerror(err));
	r->failing = true;
	while (r->head != NULL)
		notice_answered(s, bouncer_take_first(r), false,
		    SPAN("451 4.3.0 smtpd-bounce cannot be reached"));
}

static bool
bouncer_open(struct sched *s, struct bouncer_slot *p)
{
	int fd = sched_dial(s->conf->bouncer, s->conf);

	if (fd == -1) {
		bouncer_give_up(s, errno);
		return false;
	}
	chan_init_small(&p->chan, fd, p->in, sizeof(p->in));
	s->bouncer.failing = false;
	s->bouncer.nbusy++;
	p->job = NULL;
	return true;
}

/* The next one on the same connection, or the end of it. */
static void
bouncer_go_on(struct sched *s, struct bouncer_slot *p)
{
	while (p->chan.in.fd != -1 && p->job == NULL && s->bouncer.head != NULL)
		bouncer_begin(s, p);
	if (p->chan.in.fd != -1 && p->job == NULL)
		bouncer_end(s, p);
}

/* One answer, to a request that was sent, and nothing after it. */
static void
bouncer_take_frame(struct sched *s, struct bouncer_slot *p,
    const struct frame *f)
{
	if (chan_pending(&p->chan) || p->out.len > 0 ||
	    memchr("KZX", f->tag, 3) == NULL)
		bouncer_lose(s, p,
		    f->tag == 'D' ? "it died" : "malformed answer");
	else
		bouncer_answered(s, p, f->tag == 'K', f->payload);
}

static void
bouncer_hear(struct sched *s, struct bouncer_slot *p)
{
	struct frame f;
	enum io r = chan_fill(&p->chan);

	if (r == IO_TIMEOUT)
		return;
	if (r != IO_OK) {
		bouncer_lose(s, p, r == IO_EOF ? "it ended" : strerror(errno));
		return;
	}
	r = chan_next(&p->chan, &f);
	if (r == IO_OK)
		bouncer_take_frame(s, p, &f);
	else if (r == IO_ERROR)
		bouncer_lose(s, p, "malformed answer");
	bouncer_go_on(s, p);
}

static void
bouncer_ready(struct sched *s, void *arg)
{
	struct bouncer_slot *p = arg;

	if (p->out.len > 0)
		bouncer_write(s, p);
	if (p->chan.in.fd != -1)
		bouncer_hear(s, p);
}

void
bouncer_watch(struct sched *s, struct watch *w)
{
	for (unsigned i = 0; i < BOUNCER_SLOTS; i++) {
		struct bouncer_slot *p = &s->bouncer.slot[i];
		short events = POLLIN;

		if (p->chan.in.fd != -1 && p->out.len > 0)
			events |= POLLOUT;
		watch_add(w, p->chan.in.fd, events, bouncer_ready, p);
	}
}

instant
bouncer_pump(struct sched *s)
{
	struct bouncer *r = &s->bouncer;
	instant next = NEVER;

	for (unsigned i = 0; i < BOUNCER_SLOTS; i++) {
		struct bouncer_slot *p = &r->slot[i];

		if (p->chan.in.fd != -1 && s->now >= p->deadline)
			bouncer_lose(s, p, "no answer in time");
		if (p->chan.in.fd == -1 && r->head != NULL &&
		    s->now >= r->again && bouncer_open(s, p))
			bouncer_go_on(s, p);
		if (p->chan.in.fd != -1)
			next = sooner(next, p->deadline);
	}
	if (r->head != NULL && r->again > s->now)
		next = sooner(next, r->again);
	return next;
}
