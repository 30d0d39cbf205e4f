/* SPDX-License-Identifier: ISC */
/* What smtpd-verify does with each frame of a message on its way down. */
#include "verify.h"

#include "cidr.h"
#include "claim.h"
#include "envelope.h"
#include "log.h"

#include <unistd.h>

static void
forget(struct verify *v)
{
	filter_forget(v->filter);
	judge_forget(v->judge);
	v->trusted = v->judging = false;
	sbuf_reset(&v->facts);
	sbuf_reset(&v->sender);
	forged_init(&v->forged, v->conf->hostname);
}

void
verify_init(struct verify *v, struct filter *f, struct judge *j)
{
	*v = (struct verify){ .filter = f, .conf = f->conf, .judge = j };
	sbuf_init(&v->facts, VERIFY_FACTS_MAX);
	sbuf_init(&v->sender, ADDRESS_DOMAIN_MAX);
	forget(v);
}

static void
pass(struct verify *v, char tag, struct span payload)
{
	downstream_pass(&v->filter->down, tag, payload);
}

/* What a session says of its client is all that a stranger's mail has. */
static void
note_fact(struct verify *v, struct span fact)
{
	static const char *const told[] = { "version", "ip", "helo", "protocol",
		"tls" };
	struct span name, value;

	if (!envelope_fact(fact, &name, &value))
		return;
	for (size_t i = 0; i < nitems(told); i++)
		if (span_eq(name, span_str(told[i])))
			frame_add(&v->facts, 'C', fact);
}

/*
 * Whose mail is not judged shows his socket: an address as a word is anybody's.
 * The queue looks at the descriptor itself: it goes on with the fact.
 */
static void
take_fact(struct verify *v, const struct frame *f)
{
	bool shown = span_eq(f->payload, SPAN("peer=socket"));
	int fd = shown ? chan_take_fd(v->filter->up) : -1;
	struct ip ip = ip_of_shown(fd);

	if (shown)
		v->trusted = cidr_match(v->conf->relay_clients, &ip);
	note_fact(v, f->payload);
	if (fd == -1) {
		pass(v, f->tag, f->payload);
		return;
	}
	downstream_pass_fd(&v->filter->down, f->tag, f->payload, fd);
	(void)close(fd);
}

static void
begin_judging(struct verify *v, struct span sender)
{
	struct span rest = sbuf_span(&v->facts);
	struct judge *j = v->judge;
	struct frame f;
	size_t used;
	char id[] = "id=0123456789012345678901";

	if (v->facts.bad)
		link_lose(&j->link, "too many facts");
	memcpy(id + 3, v->filter->id, QUEUE_ID_LEN);
	for (; frame_parse(rest, &f, &used) == FRAME_READY;
	     rest = span_skip(rest, used))
		judge_copy(j, f.tag, f.payload);
	judge_copy(j, 'C', span_str(id));
	judge_copy(j, 'S', sender);
	judge_flush(j); /* DNS can be asked while the text comes */
}

static enum io
take_sender(struct verify *v, const struct frame *f, instant deadline)
{
	struct envelope_path from;
	enum io r;

	if (envelope_sender(f->payload, &from))
		sbuf_addspan(&v->sender, from.address.domain);
	r = filter_sender(v->filter, f, deadline);
	if (r != IO_OK || v->trusted || v->judging || !v->judge->wanted ||
	    v->filter->down.verdict != '\0')
		return r;
	v->judging = true;
	begin_judging(v, f->payload);
	return r;
}

static void
take_body(struct verify *v, struct span in)
{
	if (v->filter->down.verdict != '\0')
		return;
	if (v->judging)
		judge_copy(v->judge, 'B', in);
	while (in.n > 0) {
		struct span run = forged_push(&v->forged, &in);

		if (run.n > 0)
			pass(v, 'B', run);
	}
}

/* --- the end ------------------------------------------------------------- */

static void
log_event(const struct verify *v, const char *event, const char *name,
    const char *value)
{
	struct logline l;

	log_begin(&l, v->filter->id, event);
	log_str(&l, name, value);
	log_span(&l, "domain", sbuf_span(&v->sender));
	log_end(&l);
}

static void
pass_fields(struct verify *v)
{
	struct span rest = sbuf_span(&v->judge->fields);
	struct frame f;
	size_t used;

	while (frame_parse(rest, &f, &used) == FRAME_READY) {
		pass(v, f.tag, f.payload);
		rest = span_skip(rest, used);
	}
	if (v->judge->junk)
		pass(v, 'M', SPAN("junk"));
}

/* The mail goes on, and says that nobody knows. */
static void
pass_ignorance(struct verify *v)
{
	struct sbuf field;

	log_event(v, "unjudged", "why", v->judge->why);
	sbuf_init(&field, FRAME_PAYLOAD_MAX);
	claim_nothing(&field, v->conf->hostname, sbuf_span(&v->sender));
	if (field.bad)
		downstream_refuse(&v->filter->down, 'Z', SPAN(LOCAL_ERROR));
	else
		pass(v, 'H', sbuf_span(&field));
	sbuf_free(&field);
}

static void
heed_judge(struct verify *v)
{
	downstream_flush(&v->filter->down);
	switch (judge_ask(v->judge)) {
	case JUDGE_PASSES:
		pass_fields(v);
		break;
	case JUDGE_REFUSES:
		log_event(v, "refused", "reply", v->judge->reply.s);
		downstream_refuse(&v->filter->down, 'X',
		    sbuf_span(&v->judge->reply));
		break;
	case JUDGE_CANNOT:
		pass_ignorance(v);
		break;
	}
}

static void
log_removed(const struct verify *v)
{
	struct logline l;

	log_begin(&l, v->filter->id, "forged");
	log_num(&l, "removed", v->forged.removed);
	log_span(&l, "domain", sbuf_span(&v->sender));
	log_end(&l);
}

static enum io
take_end(struct verify *v, instant deadline)
{
	struct span rest = forged_finish(&v->forged);

	if (rest.n > 0)
		pass(v, 'B', rest);
	if (v->forged.removed > 0)
		log_removed(v);
	if (v->judging && v->filter->down.verdict == '\0')
		heed_judge(v);
	pass(v, 'E', SPAN(""));
	judge_abandon(v->judge);
	return filter_verdict(v->filter, deadline);
}

enum io
verify_take(void *context, const struct frame *f, instant deadline)
{
	struct verify *v = context;
	enum io r = IO_OK;

	switch (f->tag) {
	case 'C':
		take_fact(v, f);
		break;
	case 'S':
		return take_sender(v, f, deadline);
	case 'H':
		filter_fields(v->filter, f);
		break;
	case 'B':
		take_body(v, f->payload);
		break;
	case 'E':
		r = take_end(v, deadline);
		forget(v);
		break;
	case 'A':
		filter_abandon(v->filter);
		judge_abandon(v->judge);
		forget(v);
		break;
	default:
		pass(v, f->tag, f->payload);
	}
	return r;
}
