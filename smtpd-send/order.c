/* SPDX-License-Identifier: ISC */
/* What the operator wants done: understood, and done in steps. */
#include <stdio.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "scheduler.h"

/* Longer replies are cut: no frame is larger than this and a path. */
#define REPLY_MAX PROGRESS_REPLY_MAX

#define TURN_MS 2     /* of one turn of the loop */
#define TURN_LEAST 4  /* messages, however long they take */
#define IDS_MAX 65536 /* octets of ids of one bucket */

const char *const verb_names[VERBS] = {
	[VERB_LIST] = "list",
	[VERB_SHOW] = "show",
	[VERB_RETRY] = "retry",
	[VERB_HOLD] = "hold",
	[VERB_RELEASE] = "release",
	[VERB_REMOVE] = "remove",
	[VERB_BOUNCE] = "bounce",
	[VERB_REROUTE] = "reroute",
	[VERB_PAUSE] = "pause",
	[VERB_RESUME] = "resume",
};

void
order_init(struct order *o)
{
	*o = (struct order){ .active = false };
	sbuf_init(&o->ids, IDS_MAX);
}

void
order_free(struct order *o)
{
	sbuf_free(&o->ids);
	o->active = false;
}

static void
order_answer(struct order *o, struct sbuf *out, char tag, const char *text)
{
	frame_add(out, tag, span_str(text));
	o->active = false;
}

/* --- understanding ------------------------------------------------------------ */

static bool
order_find_verb(struct span word, enum verb *v)
{
	for (unsigned i = 0; i < VERBS; i++)
		if (span_eq(word, span_str(verb_names[i]))) {
			*v = (enum verb)i;
			return true;
		}
	return false;
}

enum need { NEED_NOTHING, NEED_ID, NEED_ID_OR_TARGET, NEED_ANY, NEED_TARGET };

static enum need
verb_needs(enum verb v)
{
	switch (v) {
	case VERB_LIST:
		return NEED_NOTHING;
	case VERB_SHOW:
	case VERB_HOLD:
	case VERB_RELEASE:
	case VERB_REMOVE:
	case VERB_BOUNCE:
		return NEED_ID;
	case VERB_REROUTE:
		return NEED_ID_OR_TARGET;
	case VERB_RETRY:
		return NEED_ANY;
	case VERB_PAUSE:
	case VERB_RESUME:
		return NEED_TARGET;
	}
	return NEED_NOTHING;
}

static const char *
order_check(const struct order *o)
{
	bool id = queue_id_valid(o->what);

	switch (verb_needs(o->verb)) {
	case NEED_NOTHING:
		return o->what.n == 0 ? NULL : "too many words";
	case NEED_ID:
		return id ? NULL : "not a message id";
	case NEED_TARGET:
		return !id && where_is_valid(o->what) ? NULL :
							"not a destination";
	case NEED_ANY:
		if (span_eq(o->what, SPAN("all")))
			return NULL;
		break;
	case NEED_ID_OR_TARGET:
		break;
	}
	return id || where_is_valid(o->what) ?
	    NULL :
	    "neither an id nor a destination";
}

/* NULL, or what is wrong with it. */
static const char *
order_parse(struct order *o, struct span text)
{
	struct span rest;

	if (text.n > ORDER_TEXT_MAX)
		return "the order is too long";
	memcpy(o->text, text.p, text.n);
	rest = span_of(o->text, text.n);
	if (!order_find_verb(span_word(&rest), &o->verb))
		return "no such order";
	o->what = span_word(&rest);
	o->route = span_of("", 0);
	if (o->verb == VERB_REROUTE) {
		o->route = span_word(&rest);
		if (!route_target_valid(o->route))
			return "not a host or a domain";
	}
	if (span_word(&rest).n > 0)
		return "too many words";
	return order_check(o);
}

/* --- showing what is in memory only ------------------------------------------------ */

static const char *
show_state(const struct message *m)
{
	if (m->job != NULL && m->job->will == WILL_HOLD)
		return "held";
	if (message_is_active(m))
		return "active";
	return m->step == STEP_HELD ? "held" : "waiting";
}

/* "ID STATE NEXT" */
static void
show_head(struct sched *s, const struct message *m, struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, 128);
	sbuf_addf(&b, "%s %s ", m->id, show_state(m));
	if (m->place == 0 || (m->job != NULL && m->job->will == WILL_HOLD))
		sbuf_putc(&b, '-');
	else
		sbuf_addf(&b, "%llu",
		    (unsigned long long)(m->due > s->now ?
			    (m->due - s->now) / 1000 :
			    0));
	frame_add(out, 'M', sbuf_span(&b));
	sbuf_free(&b);
}

/* Why it is not tried as usual. */
static void
show_reason(const struct message *m, struct sbuf *out)
{
	struct sbuf b;

	sbuf_init(&b, 1024);
	if (m->job != NULL && m->job->will == WILL_HOLD) {
		struct span who = job_ordered(m->job);

		(void)span_cut(&who, ' ');
		sbuf_adds(&b, "by ");
		sbuf_addspan(&b, who);
	} else if (m->parked_at != 0) {
		sbuf_adds(&b, "waits with others for its destination");
	}
	if (b.len > 0)
		frame_add(out, 'H', sbuf_span(&b));
	sbuf_free(&b);
}

static const char *
show_word(const struct rcpt *r)
{
	switch ((enum rcpt_state)r->state) {
	case RCPT_OPEN:
	case RCPT_DEFERRED:
		break;
	case RCPT_BUSY:
		return "active";
	case RCPT_FAILED:
		return "failed";
	case RCPT_DELIVERED:
		return "delivered";
	case RCPT_BOUNCED:
		return "bounced";
	}
	return "waiting";
}

/* "INDEX STATE DESTINATION", and what was answered. */
static void
show_rcpt(struct sched *s, const struct rcpt *r, struct sbuf *out)
{
	struct span reply = span_str(r->reply != NULL ? r->reply : "");
	struct sbuf b;

	sbuf_init(&b, WHERE_MAX + 64);
	sbuf_addf(&b, "%u %s ", r->index, show_word(r));
	route_destination(&b, s->conf, rcpt_target(r), rcpt_route(r));
	frame_add(out, 'R', sbuf_span(&b));
	sbuf_free(&b);
	if (reply.n > REPLY_MAX)
		reply.n = REPLY_MAX;
	if (reply.n > 0)
		frame_add(out, 'T', reply);
}

/*
 * Appends frames for what only memory has of the message, from recipient *from
 * on (0: with its head) as long as out has fewer than full octets; *from is
 * then where to go on, or 0 when all is said.
 */
static void
show_message(struct sched *s, struct message *m, uint32_t *from,
    struct sbuf *out, size_t full)
{
	const struct job *job = m->job;
	uint32_t n = *from;

	*from = 0;
	if (n == 0) {
		show_head(s, m, out);
		show_reason(m, out);
		n = 1;
	}
	for (; job != NULL && n <= job->nrcpts; n++) {
		if (out->len >= full) {
			*from = n;
			return;
		}
		show_rcpt(s, &job->rcpts[n - 1], out);
	}
}

/* --- one message --------------------------------------------------------------- */

static struct message *
order_message(struct sched *s, struct span what)
{
	char id[QUEUE_ID_SIZE];

	memcpy(id, what.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	return table_find(&s->table, id);
}

static void
order_answer_one(struct order *o, enum order_result r, const char *why,
    struct sbuf *out)
{
	switch (r) {
	case ORDER_DONE:
		order_answer(o, out, 'K', "done");
		break;
	case ORDER_LATER:
		order_answer(o, out, 'K', "after the current attempt");
		break;
	case ORDER_REFUSED:
		order_answer(o, out, 'X', why);
		break;
	case ORDER_FAILED:
		order_answer(o, out, 'Z', why);
		break;
	}
}

static void
order_begin_one(struct sched *s, struct order *o, struct sbuf *out)
{
	struct message *m = order_message(s, o->what);
	const char *why = NULL;
	enum order_result r;

	if (o->verb == VERB_SHOW)
		return; /* order_go_on does it */
	if (m == NULL) {
		order_answer(o, out, 'X', "no such message in the queue");
		return;
	}
	r = will_order(s, m, o, &why);
	order_answer_one(o, r, why, out);
}

static void
order_answer_count(struct order *o, struct sbuf *out)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", o->done);
	order_answer(o, out, 'K', text);
}

static void
order_show_more(struct sched *s, struct order *o, struct sbuf *out, size_t full)
{
	struct message *m = order_message(s, o->what);

	o->done = m != NULL;
	if (m != NULL)
		show_message(s, m, &o->subject, out, out->len + full);
	if (m == NULL || o->subject == 0)
		order_answer_count(o, out);
}

/* --- all messages ---------------------------------------------------------------- */

static void
order_tell(const struct order *o)
{
	struct logline l;

	log_begin(&l, NULL, "order");
	log_str(&l, "do", verb_names[o->verb]);
	log_span(&l, "dest", o->what);
	if (o->route.n > 0)
		log_span(&l, "route", o->route);
	if (o->verb != VERB_PAUSE)
		log_num(&l, "messages", o->done + o->later);
	log_str(&l, "by", o->who);
	log_num(&l, "uid", o->uid);
	log_end(&l);
}

/* The next message that is there, or NULL after the last. */
static struct message *
order_next(struct sched *s, struct order *o)
{
	struct message *m;

	for (;;) {
		while (o->at < o->ids.len) {
			m = order_message(s,
			    span_of(o->ids.s + o->at, QUEUE_ID_LEN));
			if (m != NULL)
				return m;
			o->at += QUEUE_ID_LEN;
			o->subject = 0;
		}
		if (o->scanned)
			return NULL;
		sbuf_reset(&o->ids);
		o->at = 0;
		table_scan(&s->table, &o->cursor, &o->ids);
		o->scanned = o->cursor == 0;
	}
}

/*
 * A job of the message to read in: its own, or one that lasts until view_end.
 * NULL: it cannot be read, or is not received completely.
 */
static struct job *
view_begin(struct sched *s, struct message *m)
{
	struct job *job;
	bool loaded;
	int fd;

	if (m->job != NULL)
		return m->job;
	fd = spool_peek(s->queue, m);
	if (fd == -1)
		return NULL;
	job = job_new(s, m, -1); /* not locked, and not counted */
	if (job == NULL) {
		(void)close(fd);
		return NULL;
	}
	loaded = job_load(s, job, fd) == QUEUED_OK;
	(void)close(fd);
	if (loaded)
		return job;
	job_free(s, job);
	return NULL;
}

static void
view_end(struct sched *s, struct message *m, struct job *job)
{
	if (m->job != job)
		job_free(s, job);
}

static bool
order_is_for(struct sched *s, struct message *m, const struct order *o)
{
	struct job *job = view_begin(s, m);
	bool meant = false;

	if (job == NULL)
		return false;
	for (unsigned i = 0; i < job->nrcpts && !meant; i++)
		meant = where_fits(o->what, s->conf, &job->rcpts[i]);
	view_end(s, m, job);
	return meant;
}

static void
order_do_one(struct sched *s, struct message *m, struct order *o)
{
	const char *why;

	if (!order_is_for(s, m, o))
		return;
	switch (will_order(s, m, o, &why)) {
	case ORDER_DONE:
		o->done++;
		break;
	case ORDER_LATER:
		o->later++;
		break;
	case ORDER_REFUSED:
	case ORDER_FAILED:
		o->refused++;
		break;
	}
}

static void
order_answer_all(struct order *o, struct sbuf *out)
{
	char text[96];

	if (o->verb == VERB_LIST) {
		order_answer_count(o, out);
		return;
	}
	order_tell(o);
	(void)snprintf(text, sizeof(text),
	    "%u messages, %u more after the current attempt, %u refused",
	    o->done, o->later, o->refused);
	order_answer(o, out, 'K', text);
}

static void
order_list_one(struct sched *s, struct message *m, struct order *o,
    struct sbuf *out, size_t full)
{
	o->done += o->subject == 0;
	show_message(s, m, &o->subject, out, full);
}

void
order_go_on(struct sched *s, struct order *o, struct sbuf *out, size_t full)
{
	instant end = clock_now() + TURN_MS;
	struct message *m;

	if (o->verb == VERB_SHOW) {
		order_show_more(s, o, out, full);
		return;
	}
	for (unsigned i = 0; out->len < full; i++) {
		if (i >= TURN_LEAST && clock_now() >= end)
			return;
		m = order_next(s, o);
		if (m == NULL) {
			order_answer_all(o, out);
			return;
		}
		if (o->verb != VERB_LIST)
			order_do_one(s, m, o);
		else
			order_list_one(s, m, o, out, full);
		if (o->subject == 0)
			o->at += QUEUE_ID_LEN;
	}
}

/* --- beginning --------------------------------------------------------------------- */

static void
order_begin_all(struct sched *s, struct order *o, struct sbuf *out)
{
	o->later = life_make_all_due(s);
	o->done = (unsigned)s->table.count - o->later;
	order_answer_all(o, out);
}

static void
order_begin_pause(struct sched *s, struct order *o, struct sbuf *out)
{
	bool ends = o->verb == VERB_RESUME;

	switch (ends ? paused_end(s, o->what) : paused_add(s, o->what)) {
	case PAUSED_DONE:
		if (ends)
			return; /* order_go_on tries all that waited */
		order_tell(o);
		order_answer(o, out, 'K', "done");
		break;
	case PAUSED_ALREADY:
		order_answer(o, out, 'X',
		    ends ? "it is not paused" : "it is paused already");
		break;
	case PAUSED_FULL:
		order_answer(o, out, 'X', "too many destinations are paused");
		break;
	case PAUSED_IOERR:
		order_answer(o, out, 'Z', "it cannot be saved in the queue");
		break;
	}
}

void
order_begin(struct sched *s, struct order *o, struct span text,
    struct sbuf *out)
{
	const char *wrong = order_parse(o, text);

	o->active = true;
	o->cursor = o->subject = 0;
	o->scanned = false;
	sbuf_reset(&o->ids);
	o->at = 0;
	o->done = o->later = o->refused = 0;
	if (wrong != NULL)
		order_answer(o, out, 'X', wrong);
	else if (o->verb == VERB_PAUSE || o->verb == VERB_RESUME)
		order_begin_pause(s, o, out);
	else if (o->verb == VERB_RETRY && span_eq(o->what, SPAN("all")))
		order_begin_all(s, o, out);
	else if (queue_id_valid(o->what))
		order_begin_one(s, o, out);
}
