/* SPDX-License-Identifier: ISC */
/* What the log says of one message, in the order of time. */
#include "story.h"

#include <stdlib.h>

#include "log.h"
#include "stamp.h"

#define TEXT_MAX (1024 * 1024 * 1024)

bool
story_init(struct story *s, struct span id)
{
	*s = (struct story){ .n = 0 };
	sbuf_init(&s->text, TEXT_MAX);
	if (!mailid_parse(id, &s->mailid))
		return false;
	memcpy(s->id, id.p, QUEUE_ID_LEN);
	return true;
}

/*
 * The age of the message is exact and knows no time zones; an id is the time
 * at which a message began.
 */
static uint64_t
time_of(const struct story *s, const struct line *l)
{
	struct mailid own, notice;
	struct span value;
	uint64_t ms;

	if (line_number(l, "delay_ms", UINT32_MAX, &ms) ||
	    line_number(l, "age_ms", UINT32_MAX, &ms))
		return s->mailid.time + ms * 1000;
	if (line_is(l, "smtpd-queue", "queued") && mailid_parse(l->id, &own))
		return own.time;
	if (line_get(l, "notice", &value) && mailid_parse(value, &notice))
		return notice.time;
	return stamp_parse(l->prefix);
}

static bool
is_about(const struct story *s, const struct line *l)
{
	struct span about;

	if (span_eq(l->id, span_str(s->id)))
		return true;
	return line_is(l, "smtpd-queue", "queued") &&
	    line_get(l, "about", &about) && span_eq(about, span_str(s->id));
}

static void
keep(struct story *s, const struct line *l, struct span line)
{
	struct span event = span_skip(line, l->prefix.n);

	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 64;
		s->chapters = reallocarray(s->chapters, s->cap,
		    sizeof(*s->chapters));
		if (s->chapters == NULL)
			die_sys(EXIT_TEMP, "no memory");
	}
	s->chapters[s->n] = (struct chapter){ .time = time_of(s, l),
		.order = s->n,
		.at = s->text.len,
		.len = event.n };
	s->n++;
	sbuf_addspan(&s->text, event);
	if (s->text.bad)
		die(EXIT_TEMP, "no memory for so many lines");
}

void
story_line(void *story, struct span line, int file)
{
	struct story *s = story;
	struct line l;

	(void)file;
	if (line_parse(line, &l) == LINE_EVENT && is_about(s, &l))
		keep(s, &l, line);
}

static int
compare(const void *a, const void *b)
{
	const struct chapter *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void
story_sort(struct story *s)
{
	uint64_t last = s->mailid.time;

	for (size_t i = 0; i < s->n; i++) {
		struct chapter *c = &s->chapters[i];

		c->timed = c->time != 0;
		if (!c->timed)
			c->time = last;
		last = c->time;
	}
	if (s->n > 0)
		qsort(s->chapters, s->n, sizeof(*s->chapters), compare);
}

void
story_get(const struct story *s, size_t i, struct line *l)
{
	const struct chapter *c = &s->chapters[i];

	if (line_parse(span_of(s->text.s + c->at, c->len), l) != LINE_EVENT)
		die(EXIT_BUG, "a line has changed");
}
