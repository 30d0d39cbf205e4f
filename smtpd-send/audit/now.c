/* SPDX-License-Identifier: ISC */
/* What the queue says of one message right now. */
#include "now.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "progress.h"
#include "envelope.h"
#include "log.h"
#include "queuedir.h"
#include "show.h"
#include "stamp.h"

#define TEXT_MAX (64 * 1024 * 1024)

/* A recipient: of the envelope, or what that was expanded to. */
struct someone {
	uint32_t index, origin;
	bool expanded;       /* of the envelope, and others stand for it */
	const char *state;   /* or NULL: nothing was recorded */
	uint64_t time;       /* of that */
	size_t who, who_len; /* in text */
	size_t reply, reply_len;
};

struct state {
	struct someone *all;
	size_t n, cap, norigins;
	struct sbuf text;
	uint64_t tries, next;
	size_t held, held_len; /* why */
	size_t kept, kept_len; /* by whom */
};

static struct someone *
add(struct state *s, uint32_t index, uint32_t origin, struct span who)
{
	struct someone *p;

	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 16;
		s->all = reallocarray(s->all, s->cap, sizeof(*s->all));
		if (s->all == NULL)
			die_sys(EXIT_TEMP, "no memory");
	}
	p = &s->all[s->n++];
	*p = (struct someone){ .index = index,
		.origin = origin,
		.who = s->text.len,
		.who_len = who.n };
	sbuf_addspan(&s->text, who);
	return p;
}

/* Whose number that is: the last one, since they follow their origin. */
static struct someone *
find(const struct state *s, uint32_t index)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->all[i].index == index)
			return &s->all[i];
	return NULL;
}

static struct span
address_of(struct span target)
{
	if (span_eq(span_cut(&target, ' '), SPAN("user")))
		(void)span_cut(&target, ' ');
	return target;
}

static void
take_rcpt(struct state *s, const struct progress_record *r)
{
	if (r->other >= s->norigins)
		return;
	s->all[r->other].expanded = true;
	(void)add(s, r->number, r->other, address_of(r->text));
}

static void
take_verdict(struct state *s, const struct progress_record *r,
    const char *state)
{
	struct someone *p = find(s, r->number);

	if (p == NULL)
		return;
	p->state = state;
	p->time = r->time;
	p->reply = s->text.len;
	p->reply_len = r->text.n;
	sbuf_addspan(&s->text, r->text);
}

/* "WHAT WHO", of the operator: a hold outlasts every try. */
static void
take_order(struct state *s, struct span text)
{
	struct span what = span_cut(&text, ' ');

	if (!span_eq(what, SPAN("hold")) && !span_eq(what, SPAN("release")))
		return;
	s->kept = s->text.len;
	s->kept_len = span_eq(what, SPAN("hold")) ? text.n : 0;
	sbuf_addspan(&s->text, text);
}

static void
take_record(void *arg, const struct progress_record *r)
{
	struct state *s = arg;

	if (r->kind == PROGRESS_RCPT) {
		take_rcpt(s, r);
	} else if (r->kind == PROGRESS_DONE) {
		take_verdict(s, r, "delivered");
	} else if (r->kind == PROGRESS_FAILED || r->kind == PROGRESS_REFUSED) {
		take_verdict(s, r, "failed");
	} else if (r->kind == PROGRESS_DEFERRED) {
		take_verdict(s, r, "waits");
	} else if (r->kind == PROGRESS_BOUNCED) {
		take_verdict(s, r, "told by");
	} else if (r->kind == PROGRESS_TRIED) {
		s->tries = r->number;
		s->next = r->time;
		s->held_len = 0;
	} else if (r->kind == PROGRESS_ORDER) {
		take_order(s, r->text);
	} else if (r->kind == PROGRESS_HELD) {
		s->held = s->text.len;
		s->held_len = r->text.n;
		sbuf_addspan(&s->text, r->text);
	}
}

static void
take_origins(struct state *s, const struct queuefile *q)
{
	struct envelope_path to;
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(q, &pos, &f))
		if (f.tag == 'R' && envelope_recipient(f.payload, &to)) {
			(void)add(s, (uint32_t)s->norigins,
			    (uint32_t)s->norigins, to.path);
			s->norigins++;
		}
}

static void
show_summary(const struct state *s)
{
	struct sbuf b;

	sbuf_init(&b, 256);
	if (s->tries == 0)
		sbuf_adds(&b, "no try has ended");
	else
		sbuf_addf(&b, "%llu %s", (unsigned long long)s->tries,
		    s->tries == 1 ? "try" : "tries");
	if (s->kept_len > 0) {
		sbuf_adds(&b, ", held by ");
		sbuf_add(&b, s->text.s + s->kept, s->kept_len);
	} else if (s->held_len > 0) {
		sbuf_adds(&b, ", held: ");
		sbuf_add(&b, s->text.s + s->held, s->held_len);
	} else if (s->tries > 0) {
		sbuf_adds(&b, ", the next is due ");
		stamp_add(&b, s->next * 1000000);
		sbuf_truncate(&b, b.len - sizeof(".000") + 1);
	}
	show_head("queue", sbuf_span(&b));
	sbuf_free(&b);
}

static void
show_someone(const struct state *s, const struct someone *p)
{
	if (p->expanded)
		return; /* those that he stands for are shown */
	show_columns(p->time * 1000000, p->state != NULL ? p->state : "waits",
	    span_of(s->text.s + p->who, p->who_len));
	if (p->reply_len > 0)
		show_reply(span_of(s->text.s + p->reply, p->reply_len));
}

static enum now
show_file(int dir, const struct queuefile *q)
{
	struct state s = { .n = 0 };
	int fd = queuedir_log(dir, q->id), saved;
	enum now r = NOW_SHOWN;
	uint64_t length;

	sbuf_init(&s.text, TEXT_MAX);
	take_origins(&s, q);
	if (fd != -1) {
		if (progress_read(fd, q->id, q->nonce, &length, take_record,
			&s) == PROGRESS_IOERR)
			r = NOW_FAILED;
		saved = errno;
		(void)close(fd);
		errno = saved;
	}
	if (r == NOW_SHOWN) {
		show_summary(&s);
		for (size_t i = 0; i < s.n; i++)
			show_someone(&s, &s.all[i]);
	}
	free(s.all);
	sbuf_free(&s.text);
	return r;
}

enum now
now_show(int dir, const char *id)
{
	int fd = queuedir_message(dir, id);
	enum now r = NOW_SHOWN;
	struct queuefile q;

	if (fd == -1 && errno == EACCES) {
		show_head("queue", SPAN("it is being received"));
		return NOW_SHOWN;
	}
	if (fd == -1)
		return errno == ENOENT ? NOW_GONE : NOW_FAILED;
	switch (queuefile_open(&q, fd, id)) {
	case QUEUEFILE_OK:
		r = show_file(dir, &q);
		queuefile_close(&q);
		break;
	case QUEUEFILE_TORN:
		show_head("queue", SPAN("its file was never complete"));
		break;
	case QUEUEFILE_CORRUPT:
		show_head("queue", SPAN("its file is damaged"));
		break;
	case QUEUEFILE_IOERR:
		r = NOW_FAILED;
		break;
	}
	(void)close(fd);
	return r;
}
