/* SPDX-License-Identifier: ISC */
/* What smtpd-bounce is to say of a message, and what follows when it has. */
#include <stdio.h>

#include "frame.h"
#include "job-parts.h"
#include "log.h"

/* One who is to be told of: a rcpt, or an origin that never became one. */
struct subject {
	struct rcpt *rcpt; /* or NULL */
	struct origin *origin;
	uint32_t index;
	struct span address;
	const char *reply;
	bool failed; /* refused; or else deferred until now */
};

static bool
is_wanted(const struct job *job, bool failed, bool waits)
{
	if (job->report == REPORT_FAILED)
		return failed ||
		    (waits && (job->hold == HOLD_EXPIRED || job->given_up));
	return waits;
}

static bool
next_rcpt(struct job *job, unsigned i, struct subject *u)
{
	struct rcpt *r = &job->rcpts[i];
	bool failed = r->state == RCPT_FAILED;

	*u = (struct subject){ r, NULL, r->index, rcpt_address(r), r->reply,
		failed };
	return is_wanted(job, failed,
	    r->state == RCPT_DEFERRED || r->state == RCPT_OPEN);
}

static bool
next_origin(struct job *job, unsigned i, struct subject *u)
{
	struct origin *o = &job->origins[i];
	bool failed = o->state == ORIGIN_REFUSED;

	*u = (struct subject){ NULL, o, i, origin_path(job, i), o->reply,
		failed };
	return is_wanted(job, failed,
	    o->state == ORIGIN_DEFERRED || o->state == ORIGIN_UNASKED);
}

/* Calls each with those of one notice: the same ones until it changes them. */
static void
for_subjects(struct job *job, void (*each)(void *, const struct subject *),
    void *arg)
{
	unsigned left = REPORT_RCPTS;
	struct subject u;

	for (unsigned i = 0; i < job->nrcpts && left > 0; i++)
		if (next_rcpt(job, i, &u)) {
			each(arg, &u);
			left--;
		}
	for (unsigned i = 0; i < job->norigins && left > 0; i++)
		if (next_origin(job, i, &u)) {
			each(arg, &u);
			left--;
		}
}

bool
job_has_failed(const struct job *job)
{
	for (unsigned i = 0; i < job->nrcpts; i++)
		if (job->rcpts[i].state == RCPT_FAILED)
			return true;
	for (unsigned i = 0; i < job->norigins; i++)
		if (job->origins[i].state == ORIGIN_REFUSED)
			return true;
	return false;
}

/* Once, at the first try that leaves it waiting so long. */
static bool
is_delayed(const struct sched *s, const struct job *job)
{
	uint64_t born = queue_id_time(job->message->id) / 1000000;
	uint64_t now = s->wall / 1000000;

	return s->conf->delay_notice > 0 && job->concluded &&
	    !job->told_delay && job->hold == HOLD_NONE && now > born &&
	    now - born >= s->conf->delay_notice &&
	    clockwatch_may_expire(&s->clock, s->now) &&
	    !span_eq(job_sender(job), SPAN("<>"));
}

enum report_kind
job_report_due(const struct sched *s, const struct job *job)
{
	if (s->stopping || job->unreported)
		return REPORT_NONE;
	if (job_has_failed(job) || job->given_up ||
	    (job->hold == HOLD_EXPIRED && !job->kept))
		return REPORT_FAILED;
	if (job->hold == HOLD_CRASH && !job->told_hold)
		return REPORT_HELD;
	return is_delayed(s, job) ? REPORT_DELAYED : REPORT_NONE;
}

struct writing {
	struct sbuf *out;
	const struct job *job;
};

static void
write_subject(void *arg, const struct subject *u)
{
	const struct writing *w = arg;
	struct span host = job_reply_host(u->reply);
	struct span text = job_reply_text(u->reply);
	struct sbuf b;

	sbuf_init(&b, PROGRESS_REPLY_MAX + 2048);
	sbuf_adds(&b,
	    w->job->report != REPORT_FAILED ? "delayed" :
		u->failed                   ? "failed" :
		w->job->given_up            ? "ordered" :
					      "expired");
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

void
job_report_frames(struct sched *s, struct job *job, struct sbuf *out)
{
	static const char *const kinds[] = {
		[REPORT_NONE] = "",
		[REPORT_FAILED] = "failed",
		[REPORT_DELAYED] = "delayed",
		[REPORT_HELD] = "held",
	};
	struct writing w = { out, job };
	char text[QUEUE_ID_SIZE + 16];
	int n;

	(void)s;
	n = snprintf(text, sizeof(text), "%s %s", job->message->id,
	    kinds[job->report]);
	frame_add(out, 'D', span_of(text, (size_t)n));
	for_subjects(job, write_subject, &w);
	frame_add(out, 'E', SPAN(""));
}

struct telling {
	struct sched *s;
	struct job *job;
	struct span notice;
};

/*
 * Crash states: the notice is in the queue and no line says so, or there is a
 * line and no record: it is sent once more. Recorded, and not removed: the
 * next start removes it.
 */
static void
end_subject(void *arg, const struct subject *u)
{
	const struct telling *t = arg;

	if (u->rcpt != NULL) {
		u->rcpt->state = RCPT_BOUNCED;
		u->rcpt->recorded = true;
	} else {
		u->origin->state = ORIGIN_BOUNCED;
	}
	job_event_end(t->s, t->job,
	    u->failed || t->job->given_up ? "bounced" : "expired",
	    &(struct job_end){ u->index, u->address, t->notice, u->reply });
	job_log_verdict(t->s, t->job, PROGRESS_BOUNCED, u->index, t->notice);
}

static void
note_told(struct sched *s, struct job *job, const char *what,
    struct span notice)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s %.*s", what,
	    (int)(notice.n < 40 ? notice.n : 40), notice.p);
	job_log(job, PROGRESS_TOLD, job->message->attempts, s->wall / 1000000,
	    text);
}

static void
note_report(struct sched *s, struct job *job, struct span notice)
{
	struct telling t = { s, job, notice };

	switch ((enum report_kind)job->report) {
	case REPORT_NONE:
		return;
	case REPORT_FAILED:
		for_subjects(job, end_subject, &t);
		break;
	case REPORT_DELAYED:
		job->told_delay = true;
		note_told(s, job, "delayed", notice);
		break;
	case REPORT_HELD:
		job->told_hold = true;
		note_told(s, job, "held", notice);
		break;
	}
	job->report = REPORT_NONE;
	/* At its end it needs no records: it is removed right now. */
	if (job_left(job) == 0)
		return;
	if (!job_save(s, job))
		warn_sys("cannot write the log of '%s'", job->message->id);
	else
		sync_ask(s, job);
}

void
job_reported(struct sched *s, struct job *job, bool ok, struct span reply)
{
	if (ok) {
		note_report(s, job, reply);
	} else {
		job->unreported = true;
		job_event_unreported(job, reply);
	}
	job_settle(s, job);
}
