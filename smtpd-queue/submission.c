/* SPDX-License-Identifier: ISC */
/* What smtpd-submit does with each frame of a message on its way down. */
#include "submission.h"

#include "compose.h"
#include "envelope.h"

static void
forget(struct submission *s)
{
	filter_forget(s->filter);
	s->stage = SUBMISSION_HEADER;
	s->body_began = false;
	s->has_date = s->has_message_id = s->has_from = s->foreign = false;
	sbuf_reset(&s->sender);
	sbuf_reset(&s->name);
	sbuf_reset(&s->held);
	header_free(&s->header);
	header_init(&s->header);
	forged_init(&s->forged, s->conf->hostname);
}

void
submission_init(struct submission *s, struct filter *f, uid_t uid)
{
	*s = (struct submission){ .filter = f, .conf = f->conf, .uid = uid };
	sbuf_init(&s->sender, FRAME_PAYLOAD_MAX);
	sbuf_init(&s->name, FRAME_PAYLOAD_MAX);
	sbuf_init(&s->held, SUBMISSION_HEADER_MAX);
	header_init(&s->header);
	forget(s);
}

void
submission_set_author(struct submission *s, const struct author *author)
{
	s->author = author;
}

static void
pass(struct submission *s, char tag, struct span payload)
{
	downstream_pass(&s->filter->down, tag, payload);
}

static void
refuse(struct submission *s, char tag, struct span reply)
{
	downstream_refuse(&s->filter->down, tag, reply);
}

/*
 * A user does not say who he is, nor from where: the kernel told us. Of an
 * authenticated one a session says from where.
 */
static void
take_fact(struct submission *s, const struct frame *f)
{
	static const char *const ours[] = { "uid", "user", "peer", "ip",
		"tls" };
	size_t n = s->author == NULL ? nitems(ours) : 3;
	struct span name, value;

	if (!envelope_fact(f->payload, &name, &value)) {
		pass(s, f->tag, f->payload);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (span_eq(name, span_str(ours[i])))
			return;
	}
	if (!span_eq(name, SPAN("name"))) {
		pass(s, f->tag, f->payload);
		return;
	}
	sbuf_reset(&s->name);
	sbuf_addspan(&s->name, value);
}

/* The null reverse-path is everybody's: for receipts and the like. */
static bool
is_authors(const struct submission *s)
{
	struct envelope_path from;

	return s->author == NULL ||
	    !envelope_sender(sbuf_span(&s->sender), &from) ||
	    from.address.whole.n == 0 ||
	    author_may_send(s->author, &from.address);
}

static enum io
take_sender(struct submission *s, const struct frame *f, instant deadline)
{
	struct sbuf who;

	sbuf_init(&who, sizeof("user=") + AUTHOR_NAME_MAX);
	if (s->author != NULL)
		sbuf_addf(&who, "user=%s", s->author->name);
	else
		sbuf_addf(&who, "uid=%lu", (unsigned long)s->uid);
	sbuf_reset(&s->sender);
	sbuf_addspan(&s->sender, f->payload);
	if (who.bad || s->sender.bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	else if (!is_authors(s))
		refuse(s, 'X', SPAN("550 5.7.1 Sender is no address of yours"));
	pass(s, 'C', sbuf_span(&who));
	sbuf_free(&who);
	return filter_sender(s->filter, f, deadline);
}

/* Which domains are local is for us to say. */
static void
take_recipient(struct submission *s, const struct frame *f)
{
	struct envelope_path to;
	struct span domain;
	struct sbuf b;
	bool local;

	if (s->body_began || !envelope_recipient(f->payload, &to)) {
		refuse(s, 'X', SPAN("554 5.5.0 Malformed envelope"));
		return;
	}
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	domain = to.address.domain;
	local = domain.n == 0 ||
	    conf_has_domain(s->conf->local_domains, domain);
	sbuf_adds(&b, local ? "local" : "remote");
	sbuf_addspan(&b, span_skip(f->payload, span_find(f->payload, ' ')));
	if (b.bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	else
		pass(s, 'R', sbuf_span(&b));
	sbuf_free(&b);
}

static void
note_field(struct submission *s, struct header *h)
{
	struct span name = header_name(h);

	s->has_date = s->has_date || span_ieq(name, SPAN("Date"));
	s->has_from = s->has_from || span_ieq(name, SPAN("From"));
	s->has_message_id = s->has_message_id ||
	    span_ieq(name, SPAN("Message-ID"));
	if (s->author != NULL &&
	    (span_ieq(name, SPAN("From")) || span_ieq(name, SPAN("Sender"))))
		s->foreign = s->foreign || h->cut ||
		    !author_may_write(s->author, header_value(h));
}

/* A filter before us may have added what we would add. */
static void
take_fields(struct submission *s, const struct frame *f)
{
	struct span in = f->payload;
	enum header_event e;
	struct header h;
	size_t used;

	filter_fields(s->filter, f);
	header_init(&h);
	while ((e = header_push(&h, in, &used)) == HEADER_FIELD) {
		note_field(s, &h);
		in = span_skip(in, used);
	}
	if (e == HEADER_MORE && header_finish(&h) == HEADER_FIELD)
		note_field(s, &h);
	header_free(&h);
}

/* Passes one field as an H frame, and frees it. */
static void
pass_field(struct submission *s, struct sbuf *field)
{
	if (field->bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	else
		pass(s, 'H', sbuf_span(field));
	sbuf_free(field);
}

static void
compose_from_author(struct sbuf *b, const struct author *author)
{
	sbuf_adds(b, "From: <");
	author_address(author, b);
	sbuf_adds(b, ">\r\n");
}

/* The last stands on top: Date, Message-ID, From. */
static void
pass_missing_fields(struct submission *s)
{
	const char *host = s->conf->hostname;
	struct envelope_path from;
	struct sbuf b;

	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	if (!s->has_from && envelope_sender(sbuf_span(&s->sender), &from)) {
		if (from.address.whole.n == 0 && s->author != NULL)
			compose_from_author(&b, s->author);
		else
			compose_from(&b, sbuf_span(&s->name), &from.address,
			    host);
		pass_field(s, &b);
	}
	if (!s->has_message_id) {
		compose_message_id(&b, s->filter->id, host);
		pass_field(s, &b);
	}
	if (!s->has_date) {
		compose_date(&b, (time_t)(clock_wall_us() / 1000000));
		pass_field(s, &b);
	}
}

static void
pass_body(struct submission *s, struct span octets)
{
	while (octets.n > 0 && s->filter->down.verdict == '\0') {
		size_t n = octets.n;

		if (n > FRAME_PAYLOAD_MAX)
			n = FRAME_PAYLOAD_MAX;
		pass(s, 'B', span_of(octets.p, n));
		octets = span_skip(octets, n);
	}
}

/*
 * The header section is over, and all of it is held. When text follows it
 * without an empty line, that line is put in: else the text's first line
 * would stand among the fields that we put on top. text: how much of what is
 * held is of the text already.
 */
static void
end_header(struct submission *s, bool text_follows, size_t text)
{
	struct span held = sbuf_span(&s->held);

	s->stage = SUBMISSION_BODY;
	if (s->foreign)
		refuse(s, 'X',
		    SPAN("550 5.7.1 From or Sender is no address of yours"));
	pass_missing_fields(s);
	pass_body(s, span_of(held.p, held.n - text));
	if (text_follows && !s->header.ended)
		pass_body(s, SPAN("\r\n"));
	pass_body(s, span_skip(held, held.n - text));
	sbuf_free(&s->held);
}

/* False: it cannot be held, and the message is refused. */
static bool
hold(struct submission *s, struct span octets)
{
	if (octets.n > SUBMISSION_HEADER_MAX - s->held.len)
		refuse(s, 'X', SPAN("552 5.3.4 Header section too big"));
	sbuf_addspan(&s->held, octets);
	if (s->held.bad || s->header.field.bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	return s->filter->down.verdict == '\0';
}

/* Octets of the message, without forged fields. */
static void
take_octets(struct submission *s, struct span in)
{
	size_t used;

	while (in.n > 0 && s->stage == SUBMISSION_HEADER) {
		enum header_event e = header_push(&s->header, in, &used);

		if (!hold(s, span_of(in.p, used)))
			break;
		in = span_skip(in, used);
		if (e == HEADER_FIELD)
			note_field(s, &s->header);
		else if (e == HEADER_END)
			end_header(s, true, s->header.field.len);
	}
	pass_body(s, in);
}

static void
take_body(struct submission *s, const struct frame *f)
{
	struct span in = f->payload;

	s->body_began = true;
	while (in.n > 0 && s->filter->down.verdict == '\0')
		take_octets(s, forged_push(&s->forged, &in));
}

/* The message is whole: what is still to be added, and E. */
static void
end_message(struct submission *s)
{
	struct sbuf received;
	size_t text;

	take_octets(s, forged_finish(&s->forged));
	if (s->stage == SUBMISSION_HEADER) {
		while (header_finish(&s->header) == HEADER_FIELD)
			note_field(s, &s->header);
		text = s->header.field.len;
		end_header(s, text > 0, text);
	}
	if (s->author != NULL) {
		pass(s, 'E', SPAN("")); /* the session has made Received */
		return;
	}
	sbuf_init(&received, FRAME_PAYLOAD_MAX);
	compose_received(&received, s->uid, s->filter->id, s->conf->hostname,
	    (time_t)(clock_wall_us() / 1000000));
	pass_field(s, &received);
	pass(s, 'E', SPAN(""));
}

static enum io
take_end(struct submission *s, instant deadline)
{
	if (s->filter->down.verdict == '\0')
		end_message(s);
	return filter_verdict(s->filter, deadline);
}

enum io
submission_take(void *context, const struct frame *f, instant deadline)
{
	struct submission *s = context;
	enum io r = IO_OK;

	switch (f->tag) {
	case 'C':
		take_fact(s, f);
		break;
	case 'S':
		return take_sender(s, f, deadline);
	case 'R':
		take_recipient(s, f);
		break;
	case 'H':
		take_fields(s, f);
		break;
	case 'B':
		take_body(s, f);
		break;
	case 'E':
		r = take_end(s, deadline);
		forget(s);
		break;
	case 'A':
		filter_abandon(s->filter);
		forget(s);
		break;
	default:
		pass(s, f->tag, f->payload);
	}
	return r;
}
