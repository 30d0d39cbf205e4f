/* SPDX-License-Identifier: ISC */
/* DATA: passes the text of a message from the client to the injector. */
#include "dot.h"
#include "header.h"
#include "received.h"
#include "session.h"
#include "transaction.h"

#define HOPS_MAX 100 /* RFC 5321 6.3 */

/*
 * A text may pause for data_timeout, but it must also make progress: it may
 * take the time of so many pauses, and one second for this many octets.
 */
#define PAUSES_MAX 10
#define OCTETS_PER_SECOND 100

struct text {
	struct session *s;
	struct dot dot;
	struct header header;
	instant started;
	uint64_t size;       /* octets of the message */
	uint64_t read;       /* octets from the client */
	unsigned hops;       /* Received fields */
	const char *refusal; /* the reply to come; NULL: not refused so far */
	bool
	    waited; /* has waited for the client, so the injector has the envelope */
};

/* The first reason counts. The injector can forget the message at once. */
static void
data_refuse(struct text *t, const char *why)
{
	if (t->refusal != NULL)
		return;
	t->refusal = why;
	inject_abandon(&t->s->inject);
	inject_flush(&t->s->inject);
}

static void
data_look_at_field(struct text *t)
{
	struct span name = header_name(&t->header);

	if (span_ieq(name, SPAN("Received")) && ++t->hops > HOPS_MAX)
		data_refuse(t, "554 5.4.6 Too many hops: mail loop");
	/* The message was delivered to one of its recipients, and came back. */
	if (span_ieq(name, SPAN("Delivered-To")) &&
	    transaction_is_to(&t->s->transaction, header_value(&t->header)))
		data_refuse(t,
		    "554 5.4.6 Already delivered to this recipient: mail loop");
}

static void
data_look_at_header(struct text *t, struct span run)
{
	while (run.n > 0 && !t->header.done) {
		size_t used;

		if (header_push(&t->header, run, &used) == HEADER_FIELD)
			data_look_at_field(t);
		run = span_skip(run, used);
	}
}

static void
data_take(struct text *t, struct span run)
{
	if (t->refusal != NULL || run.n == 0)
		return;
	t->size += run.n;
	if (t->size > t->s->conf->max_size) {
		data_refuse(t, session_too_big(t->s));
		return;
	}
	if (!t->header.done)
		data_look_at_header(t, run);
	if (t->refusal == NULL)
		inject_add(&t->s->inject, 'B', run);
}

static void
data_refuse_octets(struct text *t)
{
	switch (t->dot.why) {
	case DOT_FINE:
		break;
	case DOT_BARE_CR:
		data_refuse(t,
		    "550 5.6.0 Bare CR in message, lines must end in CRLF");
		break;
	case DOT_BARE_LF:
		data_refuse(t,
		    "550 5.6.0 Bare LF in message, lines must end in CRLF");
		break;
	case DOT_NUL:
		data_refuse(t, "550 5.6.0 NUL in message");
		break;
	}
}

/* Sends the one reply to the text, which has reached its true end. */
static void
data_reply_refusal(struct text *t, const char *why)
{
	struct session *s = t->s;

	reply(&s->reply, "%s", why);
	session_log_refusal(s, "data", SPAN(""));
}

static instant
data_deadline(const struct text *t)
{
	uint64_t pause = t->s->conf->data_timeout * 1000;
	instant last = t->started + PAUSES_MAX * pause +
	    t->read * 1000 / OCTETS_PER_SECOND;
	instant next = clock_in(pause);

	return next < last ? next : last;
}

/* Reads more of the text. False: the session is over. */
static bool
data_more(struct text *t)
{
	struct session *s = t->s;
	enum io r;

	/*
	 * The client may send up to twice max_size before it hears the
	 * refusal.
	 */
	if (t->refusal != NULL && t->read / 2 > s->conf->max_size) {
		data_reply_refusal(t, t->refusal);
		session_hang_up(s, "refused text without end");
		return false;
	}
	if (!t->waited) {
		reply_flush(&s->reply);
		inject_flush(&s->inject);
		t->waited = true;
	}
	r = session_fill(s, data_deadline(t));
	if (r == IO_OK)
		t->read += inbuf_view(&s->in).n;
	session_check_input(s, r, true);
	return r == IO_OK;
}

/* Only CRLF . CRLF ends the text, even if the text is malformed. */
static bool
data_receive(struct text *t)
{
	struct inbuf *in = &t->s->in;
	enum dot_event event;

	t->read = inbuf_view(in).n;
	do {
		struct span run;
		size_t used;

		if (inbuf_view(in).n == 0 && !data_more(t)) {
			data_refuse(t, ""); /* there is no reply */
			return false;
		}
		event = dot_push(&t->dot, inbuf_view(in), &used, &run);
		inbuf_take(in, used); /* run stays valid */
		data_take(t, run);
		if (event == DOT_BAD)
			data_refuse_octets(t);
	} while (event != DOT_END);
	return true;
}

static void
data_add_received(struct session *s)
{
	struct span rcpts = transaction_rcpts(&s->transaction), only;
	char mem[RECEIVED_MAX];
	struct sbuf field = SBUF_IN(mem);
	struct received r = {
		.helo = span_str(s->helo),
		.ip = &s->ip,
		.hidden = s->user[0] != '\0' && s->conf->hide_client,
		.host = s->conf->hostname,
		.protocol = session_protocol(s),
		.tls = s->tls.what,
		.id = s->inject.id,
		.time = (time_t)(clock_wall_us() / 1000000),
	};

	if (s->transaction.kept == 1 && transaction_next(&rcpts, &only))
		r.path = transaction_path(only);
	received_field(&field, &r);
	inject_add(&s->inject, 'H', sbuf_span(&field));
}

static void
data_commit(struct text *t)
{
	struct session *s = t->s;
	char line[REPLY_MAX + 1];
	struct sbuf refusal = SBUF_IN(line);
	struct span text;

	/*
	 * smtpd-submit knows more about a local user and adds the field
	 * itself.
	 */
	if (!s->local_user)
		data_add_received(s);
	switch (inject_commit(&s->inject, &text)) {
	case LINK_YES:
		s->messages++;
		s->idle = 0;
		s->forgiven = s->reply.refused;
		reply(&s->reply, "250 2.0.0 Message accepted, queue ID: %s",
		    s->inject.id);
		return;
	case LINK_REFUSED:
		sbuf_addspan(&refusal, text);
		data_reply_refusal(t, refusal.s);
		return;
	case LINK_FAILED:
		data_reply_refusal(t,
		    "451 4.3.0 Message could not be queued, try again later");
		return;
	}
}

static void
data_conclude(struct text *t)
{
	/*
	 * The message has no body: the last field of its header is complete
	 * now.
	 */
	if (!t->header.done && header_finish(&t->header) == HEADER_FIELD)
		data_look_at_field(t);
	if (t->refusal == NULL)
		data_commit(t);
	else
		data_reply_refusal(t, t->refusal);
}

void
session_data(struct session *s, struct span argument)
{
	struct text t = { .s = s, .started = clock_now() };

	(void)argument;
	header_init(&t.header);
	if (s->inject.link.state == LINK_UP) {
		reply(&s->reply, "354 End data with <CR><LF>.<CR><LF>");
		if (data_receive(&t))
			data_conclude(&t);
	} else {
		data_commit(&t); /* which finds out why */
	}
	header_free(&t.header);
	session_reset(s);
}
