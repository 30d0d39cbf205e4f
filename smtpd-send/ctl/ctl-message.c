/* SPDX-License-Identifier: ISC */
/* A message as the queue and smtpd-send show it together. */
#include "ctl-message.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "route.h"

#define TEXT_MAX (1UL << 30)

/* --- tables ----------------------------------------------------------------- */

void
ctl_table_init(struct ctl_table *t)
{
	*t = (struct ctl_table){ .n = 0 };
	sbuf_init(&t->text, TEXT_MAX);
}

void
ctl_table_free(struct ctl_table *t)
{
	free(t->rows);
	sbuf_free(&t->text);
}

bool
ctl_table_row(struct ctl_table *t, const char *id)
{
	size_t cap = t->cap > 0 ? t->cap * 2 : 64;
	void *p;

	if (t->n == t->cap) {
		p = reallocarray(t->rows, cap, sizeof(*t->rows));
		if (p == NULL)
			return false;
		t->rows = p;
		t->cap = cap;
	}
	t->rows[t->n] = (struct ctl_row){ .at = t->text.len };
	memcpy(t->rows[t->n++].id, id, QUEUE_ID_LEN);
	return true;
}

bool
ctl_table_string(struct ctl_table *t, struct span s)
{
	sbuf_addspan(&t->text, s);
	sbuf_putc(&t->text, '\0');
	errno = ENOMEM;
	return !t->text.bad;
}

/* --- the queue -------------------------------------------------------------- */

bool
ctl_queue_hear(struct ctl_queue *c, char tag, struct span s)
{
	struct span id;

	if (tag >= 'a')
		return true;
	if (tag == 'M') {
		id = span_cut(&s, ' ');
		if (!queue_id_valid(id) || !ctl_table_row(&c->live, id.p))
			return false;
	}
	if (c->live.n == 0 || span_find(SPAN("MHRT"), tag) == 4 ||
	    span_find(s, '\0') < s.n)
		return false;
	sbuf_putc(&c->live.text, tag);
	return ctl_table_string(&c->live, s);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct ctl_row *x = a, *y = b;

	return strcmp(x->id, y->id);
}

bool
ctl_queue_begin(struct ctl_queue *c)
{
	c->now = clock_wall_us();
	if (c->live.n > 0)
		qsort(c->live.rows, c->live.n, sizeof(*c->live.rows),
		    compare_ids);
	return queued_paused(c->dir, &c->paused);
}

uint64_t
ctl_age(const struct ctl_queue *c, const char *id)
{
	uint64_t born = queue_id_time(id);

	return c->now > born ? (c->now - born) / 1000000 : 0;
}

/* --- the message ------------------------------------------------------------ */

/*
 * What smtpd-send says of it next, with the tag. After the last string comes
 * the first one again: M.
 */
static struct span
live_next(struct ctl_message *m)
{
	const char *text = m->queue->live.text.s;
	struct span s = span_str(text + m->at);

	m->at += s.n + 1;
	if (text[m->at] == 'M' || text[m->at] == '\0')
		m->at = m->live->at;
	return s;
}

/* "STATE NEXT" in M, then perhaps the reason in H. */
static void
message_live(struct ctl_message *m)
{
	struct span s;

	m->at = m->live->at;
	s = span_skip(live_next(m), 1);
	m->state = span_cut(&s, ' ');
	if (!span_u64(s, UINT64_MAX, &m->next))
		m->next = UINT64_MAX;
	s = span_str(m->queue->live.text.s + m->at);
	if (s.p[0] == 'H')
		m->reason = span_skip(live_next(m), 1);
}

/* Without smtpd-send: what the log says. */
static void
message_alone(struct ctl_message *m)
{
	uint64_t now = m->queue->now / 1000000;

	m->state = m->q.held != 0 ? SPAN("held") : SPAN("waiting");
	m->reason = queued_text(&m->q, m->q.held);
	if (m->q.held == 0)
		m->next = m->q.next > now ? m->q.next - now : 0;
}

/* What the log says in both cases. */
static void
message_logged(struct ctl_message *m)
{
	struct span held = queued_text(&m->q, m->q.held);

	m->sender = queued_text(&m->q, m->q.sender);
	if (span_eq(held, SPAN("crash")))
		m->reason = SPAN("its delivery crashes");
	else if (span_eq(held, SPAN("expired")))
		m->reason = SPAN("it is too old, its sender is to be told");
	if (m->q.kept != 0) {
		m->state = SPAN("held");
		m->next = UINT64_MAX;
		sbuf_addf(&m->by, "by %s", m->q.text.s + m->q.kept);
		m->reason = sbuf_span(&m->by);
	}
	if (m->q.given_up)
		m->reason = SPAN("given up, its sender is to be told");
}

/* A message that was never complete counts if smtpd-send holds it. */
static enum queued_result
message_damaged(struct ctl_message *m, enum queued_result r, const char *id)
{
	if (r != QUEUED_CORRUPT &&
	    (r != QUEUED_TORN || !span_eq(m->state, SPAN("held"))))
		return QUEUED_GONE;
	m->q = (struct queued){ .n = 0 };
	memcpy(m->q.id, id, QUEUE_ID_LEN);
	sbuf_init(&m->q.text, 0);
	m->state = SPAN("damaged");
	m->reason = SPAN("the queue file is damaged");
	m->sender = SPAN("-");
	m->next = UINT64_MAX;
	return QUEUED_OK;
}

enum queued_result
ctl_message_read(const struct ctl_queue *c, const char *id,
    struct ctl_message *m)
{
	struct ctl_row key = { .at = 0 };
	enum queued_result r;

	*m = (struct ctl_message){ .queue = c, .next = UINT64_MAX };
	memcpy(key.id, id, QUEUE_ID_LEN);
	if (c->live.n > 0)
		m->live = bsearch(&key, c->live.rows, c->live.n, sizeof(key),
		    compare_ids);
	if (m->live != NULL)
		message_live(m);
	r = queued_read(&m->q, c->dir, key.id);
	if (r == QUEUED_IOERR)
		return r;
	sbuf_init(&m->by, 1024);
	sbuf_init(&m->destination, ROUTE_MAX + 512);
	if (r != QUEUED_OK)
		return message_damaged(m, r, key.id);
	if (m->live == NULL)
		message_alone(m);
	message_logged(m);
	return QUEUED_OK;
}

void
ctl_message_free(struct ctl_message *m)
{
	queued_free(&m->q);
	sbuf_free(&m->by);
	sbuf_free(&m->destination);
}

/* --- its recipients --------------------------------------------------------- */

struct span
ctl_domain(struct span path)
{
	struct span d = span_skip(path, span_rfind(path, '@') + 1);

	if (d.n > 0 && d.p[d.n - 1] == '>')
		d.n--;
	return d;
}

bool
ctl_rcpt_fits(const struct ctl_rcpt *r, struct span name)
{
	return span_ieq(r->destination, name) ||
	    span_ieq(ctl_domain(r->path), name);
}

static struct span
rcpt_state(const struct ctl_queue *c, enum queued_state state,
    const struct ctl_rcpt *r)
{
	struct span rest = sbuf_span(&c->paused);

	switch (state) {
	case QUEUED_WAITING:
		break;
	case QUEUED_FAILED:
		return SPAN("failed");
	case QUEUED_DELIVERED:
		return SPAN("delivered");
	case QUEUED_BOUNCED:
		return SPAN("bounced");
	}
	while (rest.n > 0)
		if (ctl_rcpt_fits(r, span_cut(&rest, '\n')))
			return SPAN("paused");
	return SPAN("waiting");
}

/* "INDEX STATE DESTINATION" in R, of this recipient? */
static bool
rcpt_live(struct span s, uint32_t index, struct ctl_rcpt *out)
{
	struct span number, state;
	uint32_t n;

	if (s.p[0] != 'R')
		return false;
	s = span_skip(s, 1);
	number = span_cut(&s, ' ');
	if (!span_u32(number, UINT32_MAX, &n) || n != index)
		return false;
	state = span_cut(&s, ' ');
	if (!span_eq(state, SPAN("waiting")))
		out->state = state;
	out->destination = s;
	return true;
}

/*
 * During a try smtpd-send knows more than the log. Its recipients come in the
 * order of the log: each search goes on where the last one ended. Perhaps
 * "HOST REPLY" follows in T.
 */
static void
rcpt_add_live(struct ctl_message *m, uint32_t index, struct ctl_rcpt *out)
{
	const char *text = m->queue->live.text.s;
	size_t start = m->at;
	struct span s;

	while (!rcpt_live(live_next(m), index, out))
		if (m->at == start)
			return;
	if (text[m->at] != 'T')
		return;
	s = span_skip(live_next(m), 1);
	out->host = span_cut(&s, ' ');
	if (span_eq(out->host, SPAN("-")))
		out->host = SPAN("");
	out->reply = s;
}

static void
rcpt_read(struct ctl_message *m, const struct queued_rcpt *r,
    struct ctl_rcpt *out)
{
	struct span target = queued_text(&m->q, r->target);

	sbuf_reset(&m->destination);
	route_destination(&m->destination, m->queue->conf, target,
	    queued_text(&m->q, r->route));
	*out = (struct ctl_rcpt){ .destination = sbuf_span(&m->destination),
		.path = queued_address(target) };
	if (r->state != QUEUED_DELIVERED)
		out->reply = queued_text(&m->q, r->reply);
	out->state = rcpt_state(m->queue, r->state, out);
	if (m->live != NULL)
		rcpt_add_live(m, r->index, out);
}

bool
ctl_rcpt_next(struct ctl_message *m, size_t *i, bool all, struct ctl_rcpt *out)
{
	while (*i < m->q.n) {
		const struct queued_rcpt *r = &m->q.rcpts[(*i)++];

		if (r->expanded)
			continue;
		rcpt_read(m, r, out);
		if (all ||
		    (!span_eq(out->state, SPAN("delivered")) &&
			!span_eq(out->state, SPAN("bounced"))))
			return true;
	}
	return false;
}
