/* SPDX-License-Identifier: ISC */
/* Reading what a job is from the queue file. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "envelope.h"
#include "job-parts.h"

#define TEXT_MAX (64 * 1024 * 1024)
#define UNSAVED_MAX (16 * 1024 * 1024)

void
job_keep_reply(char **reply, struct span host, struct span text)
{
	struct sbuf b;

	sbuf_init(&b, SLOT_ROOM);
	sbuf_addspan(&b, host.n > 0 ? host : SPAN("-"));
	sbuf_putc(&b, ' ');
	sbuf_addspan(&b, text);
	free(*reply);
	*reply = b.bad ? NULL : strndup(b.s, b.len);
	sbuf_free(&b);
}

struct span
job_reply_host(const char *reply)
{
	struct span rest = span_str(reply != NULL ? reply : "-");

	return span_cut(&rest, ' ');
}

struct span
job_reply_text(const char *reply)
{
	struct span rest = span_str(reply != NULL ? reply : "");

	(void)span_cut(&rest, ' ');
	return rest;
}

static uint32_t
keep_text(struct job *job, struct span s)
{
	size_t at = job->text.len;

	sbuf_addspan(&job->text, s);
	sbuf_putc(&job->text, '\0');
	return (uint32_t)at;
}

static struct span
text_at(const struct job *job, uint32_t at)
{
	return span_str(job->text.s + at);
}

struct span
job_sender(const struct job *job)
{
	return text_at(job, 0);
}

struct span
origin_path(const struct job *job, unsigned origin)
{
	return text_at(job, job->origins[origin].path);
}

struct span
rcpt_target(const struct rcpt *r)
{
	return text_at(r->job, r->target);
}

struct span
rcpt_user(const struct rcpt *r)
{
	struct span rest = rcpt_target(r);

	if (!span_eq(span_cut(&rest, ' '), SPAN("user")))
		return span_of("", 0);
	return span_cut(&rest, ' ');
}

struct span
rcpt_address(const struct rcpt *r)
{
	struct span rest = rcpt_target(r);

	if (span_eq(span_cut(&rest, ' '), SPAN("user")))
		(void)span_cut(&rest, ' ');
	return rest;
}

struct span
rcpt_route(const struct rcpt *r)
{
	return r->route != 0 ? text_at(r->job, r->route) : span_of("", 0);
}

struct span
job_ordered(const struct job *job)
{
	return job->ordered != 0 ? text_at(job, job->ordered) : span_of("", 0);
}

void
job_keep_order(struct job *job, struct span text)
{
	job->ordered = keep_text(job, text);
}

bool
job_keep_route(struct rcpt *r, struct span destination)
{
	r->route = keep_text(r->job, destination);
	return !r->job->text.bad;
}

/* What can stand in a frame, a record and a log line as it is. */
static bool
is_path(struct span s)
{
	if (s.n < 3 || s.n > 512 || s.p[0] != '<' || s.p[s.n - 1] != '>')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

bool
job_is_target(struct span s)
{
	struct span kind = span_cut(&s, ' '), name;

	if (span_eq(kind, SPAN("remote")))
		return is_path(s);
	if (!span_eq(kind, SPAN("user")))
		return false;
	name = span_cut(&s, ' ');
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0 && name.n <= 256 && is_path(s);
}

bool
job_add_rcpt(struct sched *s, struct job *job, unsigned origin, uint32_t index,
    struct span target)
{
	struct rcpt *r;

	if (job->nrcpts == JOB_RCPTS_MAX)
		return false;
	if (job->nrcpts == job->cap) {
		unsigned cap = job->cap > 0 ? job->cap * 2 : 1;

		r = reallocarray(job->rcpts, cap, sizeof(*r));
		if (r == NULL)
			return false;
		job->rcpts = r;
		job->cap = cap;
	}
	r = &job->rcpts[job->nrcpts];
	*r = (struct rcpt){ .job = job,
		.origin = (uint16_t)origin,
		.index = index,
		.target = keep_text(job, target) };
	if (job->text.bad)
		return false;
	if (index >= job->next_index)
		job->next_index = index + 1;
	job->origins[origin].state = ORIGIN_EXPANDED;
	job->nrcpts++;
	s->nrcpts++;
	return true;
}

/*
 * The first rcpt of an origin has its number as index, so that the common
 * message, of which nothing is recorded, has the same ones at every reading.
 */
bool
job_expand(struct sched *s, struct job *job, unsigned origin,
    struct span target)
{
	bool first = job->origins[origin].state != ORIGIN_EXPANDED;

	return job_is_target(target) &&
	    job_add_rcpt(s, job, origin, first ? origin : job->next_index,
		target);
}

void
job_unexpand(struct sched *s, struct job *job, unsigned n)
{
	while (job->nrcpts > n) {
		struct rcpt *r = &job->rcpts[--job->nrcpts];

		job->origins[r->origin].state = ORIGIN_UNASKED;
		s->nrcpts--;
	}
}

/* The R frames that are remote anyway need no smtpd-rcpt. */
static bool
expand_remote(struct sched *s, struct job *job)
{
	struct sbuf b;
	bool ok = true;

	sbuf_init(&b, 1024);
	for (unsigned i = 0; i < job->norigins && ok; i++) {
		if (job->origins[i].local ||
		    job->origins[i].state == ORIGIN_EXPANDED)
			continue;
		sbuf_reset(&b);
		sbuf_adds(&b, "remote ");
		sbuf_addspan(&b, origin_path(job, i));
		ok = !b.bad && job_expand(s, job, i, sbuf_span(&b));
	}
	sbuf_free(&b);
	return ok;
}

static bool
take_recipient(struct job *job, struct span payload)
{
	struct envelope_path p;
	struct origin *o;

	if (!envelope_recipient(payload, &p) || !is_path(p.path) ||
	    job->norigins == QUEUE_RCPTS_MAX)
		return false;
	/* Grown by doubling: at 1, 2, 4 ... there is no room left. */
	if ((job->norigins & (job->norigins - 1)) == 0) {
		size_t n = job->norigins > 0 ? job->norigins * 2 : 1;

		o = reallocarray(job->origins, n, sizeof(*o));
		if (o == NULL)
			return false;
		job->origins = o;
	}
	o = &job->origins[job->norigins++];
	*o = (struct origin){ .local = p.local,
		.path = keep_text(job, p.path) };
	return true;
}

static enum load_result
take_envelope(struct job *job, const struct queuefile *q)
{
	struct envelope_path p;
	struct frame f;
	size_t pos = 0;

	errno = 0;
	while (queuefile_next(q, &pos, &f)) {
		if (f.tag == 'S' && job->text.len == 0 &&
		    envelope_sender(f.payload, &p))
			(void)keep_text(job, p.path);
		else if (f.tag == 'S')
			return LOAD_CORRUPT;
		else if (f.tag == 'R' &&
		    (job->text.len == 0 || !take_recipient(job, f.payload)))
			return errno == ENOMEM ? LOAD_IOERR : LOAD_CORRUPT;
		else if (envelope_marks_junk(&f))
			job->junk = true;
	}
	if (job->text.bad) {
		errno = ENOMEM;
		return LOAD_IOERR;
	}
	return job->norigins > 0 ? LOAD_OK : LOAD_CORRUPT;
}

enum load_result
job_load(struct sched *s, struct job *job, int fd)
{
	struct queuefile q;
	enum load_result r = LOAD_IOERR;

	sbuf_init(&job->text, TEXT_MAX);
	sbuf_init(&job->unsaved, UNSAVED_MAX);
	switch (queuefile_open(&q, fd, job->message->id)) {
	case QUEUEFILE_OK:
		break;
	case QUEUEFILE_TORN:
		return LOAD_TORN;
	case QUEUEFILE_CORRUPT:
		return LOAD_CORRUPT;
	case QUEUEFILE_IOERR:
		return LOAD_IOERR;
	}
	job->nonce = q.nonce;
	job->size = q.body_len;
	r = take_envelope(job, &q);
	queuefile_close(&q);
	if (r != LOAD_OK)
		return r;
	job->next_index = job->norigins;
	r = job_load_log(s, job);
	if (r == LOAD_OK && !expand_remote(s, job)) {
		errno = ENOMEM;
		return LOAD_IOERR;
	}
	return r;
}

void
job_free(struct sched *s, struct job *job)
{
	if (job->fd != -1) {
		(void)close(job->fd);
		s->nopen--;
	}
	for (unsigned i = 0; i < job->nrcpts; i++)
		free(job->rcpts[i].reply);
	for (unsigned i = 0; i < job->norigins; i++)
		free(job->origins[i].reply);
	s->nrcpts -= job->nrcpts;
	free(job->rcpts);
	free(job->origins);
	sbuf_free(&job->text);
	sbuf_free(&job->unsaved);
	job->message->job = NULL;
	free(job);
}
