/* SPDX-License-Identifier: ISC */
/* How far each recipient of a queued message has got, by its progress log. */
#include "status.h"

#include <stdlib.h>

#include "progress.h"

#define CHILDREN_MAX 100000 /* rcpt and refused records that are looked at */
#define REPLIES_MAX (16 * 1024 * 1024)

struct status_child {
	uint32_t index, origin;
	bool done;
	size_t reply, reply_len; /* in replies */
};

#define NO_INDEX UINT32_MAX /* an origin that smtpd-rcpt refused */

void
status_init(struct status *s)
{
	*s = (struct status){ .n = 0 };
	sbuf_init(&s->replies, REPLIES_MAX);
}

void
status_free(struct status *s)
{
	free(s->children);
	sbuf_free(&s->replies);
	status_init(s);
}

static struct status_child *
add(struct status *s, uint32_t index, uint32_t origin)
{
	if (s->n == CHILDREN_MAX)
		return NULL;
	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
		void *p = realloc(s->children, cap * sizeof(*s->children));

		if (p == NULL)
			return NULL;
		s->children = p;
		s->cap = cap;
	}
	s->children[s->n] = (struct status_child){ .index = index,
		.origin = origin };
	return &s->children[s->n++];
}

static struct status_child *
find(const struct status *s, uint32_t index, uint32_t origin)
{
	for (size_t i = s->n; i-- > 0;) {
		struct status_child *c = &s->children[i];

		if (c->index == index &&
		    (index != NO_INDEX || c->origin == origin))
			return c;
	}
	return NULL;
}

static void
set_reply(struct status *s, struct status_child *c, struct span reply)
{
	if (c == NULL)
		return;
	c->reply = s->replies.len;
	sbuf_addspan(&s->replies, reply);
	c->reply_len = s->replies.len - c->reply;
}

static void
set_done(struct status_child *c)
{
	if (c != NULL)
		c->done = true;
}

static void
take_refused(struct status *s, const struct progress_record *r)
{
	struct status_child *c = find(s, NO_INDEX, r->number);

	if (c == NULL)
		c = add(s, NO_INDEX, r->number);
	set_reply(s, c, r->text);
}

/* Of a rcpt, or of an origin that never was one. */
static void
set_bounced(struct status *s, uint32_t number)
{
	struct status_child *c = find(s, number, 0);

	set_done(c != NULL ? c : find(s, NO_INDEX, number));
}

/* Of the operator, "WHAT WHO": a hold outlasts every try. */
static void
take_order(struct status *s, struct span text)
{
	struct span what = span_cut(&text, ' ');

	if (span_eq(what, SPAN("hold")))
		s->kept = true;
	else if (span_eq(what, SPAN("release")))
		s->kept = false;
}

static void
take_record(void *arg, const struct progress_record *r)
{
	struct status *s = arg;

	switch (r->kind) {
	case PROGRESS_RCPT:
		if (find(s, r->number, 0) == NULL)
			(void)add(s, r->number, r->other);
		set_done(find(s, NO_INDEX, r->other));
		break;
	case PROGRESS_DONE:
		set_done(find(s, r->number, 0));
		break;
	case PROGRESS_BOUNCED:
		set_bounced(s, r->number);
		break;
	case PROGRESS_FAILED:
	case PROGRESS_DEFERRED:
		set_reply(s, find(s, r->number, 0), r->text);
		break;
	case PROGRESS_REFUSED:
		take_refused(s, r);
		break;
	case PROGRESS_HELD:
		s->held = true;
		break;
	case PROGRESS_TRIED:
		s->held = false;
		break;
	case PROGRESS_ORDER:
		take_order(s, r->text);
		break;
	case PROGRESS_ROUTE:
	case PROGRESS_PAUSE:
	case PROGRESS_RESUME:
	case PROGRESS_LOG:
	case PROGRESS_TOLD:
	case PROGRESS_CRASH:
		break;
	}
}

void
status_read(struct status *s, int fd, const struct queuefile *q)
{
	uint64_t length;

	if (progress_read(fd, q->id, q->nonce, &length, take_record, s) !=
	    PROGRESS_READ)
		s->n = 0;
}

bool
status_waits(const struct status *s, uint32_t origin, struct span *reply)
{
	bool waits = false, known = false;

	*reply = SPAN("");
	for (size_t i = 0; i < s->n; i++) {
		const struct status_child *c = &s->children[i];

		if (c->origin != origin)
			continue;
		known = true;
		if (c->done)
			continue;
		waits = true;
		if (c->reply_len > 0)
			*reply = span_of(s->replies.s + c->reply, c->reply_len);
	}
	return waits || !known;
}
