/* SPDX-License-Identifier: ISC */
/* The session's side of the injection conversation. */
#include "inject.h"
#include "reply.h"

#define FACT_MAX 512

void
inject_adopt(struct inject *i, int fd)
{
	link_adopt(&i->link, fd);
	i->greeted = i->asks = i->begun = false;
}

/* A word that we do not know is one that we would have to. */
static bool
understand(struct inject *i, const struct frame *f)
{
	struct span rest = f->payload, word;

	if (f->tag != 'W')
		return false;
	while ((word = span_word(&rest)).n > 0) {
		if (!span_eq(word, SPAN("ask")))
			return false;
		i->asks = true;
	}
	return true;
}

bool
inject_is_there(struct inject *i)
{
	struct frame f;

	if (!i->greeted && i->link.state == LINK_UP &&
	    link_expect(&i->link, &f)) {
		i->greeted = understand(i, &f);
		if (!i->greeted)
			link_lose(&i->link, "a greeting that is none");
	}
	return i->greeted && i->link.state == LINK_UP;
}

void
inject_begin(struct inject *i, int peer, bool name_it)
{
	if (peer != -1)
		link_attach(&i->link, peer);
	inject_fact(i, "version", SPAN("1"));
	i->named = name_it && queue_id_new(i->id);
	if (i->named)
		inject_fact(i, "id", span_str(i->id));
	if (peer != -1)
		inject_fact(i, "peer", SPAN("socket"));
	i->begun = true;
}

void
inject_add(struct inject *i, char tag, struct span payload)
{
	link_send(&i->link, tag, payload);
}

void
inject_fact(struct inject *i, const char *name, struct span value)
{
	char mem[FACT_MAX];
	struct sbuf fact = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	sbuf_adds(&fact, name);
	sbuf_putc(&fact, '=');
	sbuf_addspan(&fact, value);
	inject_add(i, 'C', sbuf_span(&fact));
}

void
inject_flush(struct inject *i)
{
	link_flush(&i->link);
}

static enum inject_verdict
refusal(struct inject *i, const struct frame *f, struct span *text)
{
	*text = f->payload;
	if ((f->tag == 'Z' && reply_is(f->payload, '4')) ||
	    (f->tag == 'X' && reply_is(f->payload, '5')))
		return INJECT_REFUSED;
	link_lose(&i->link, "an answer that is none");
	return INJECT_FAILED;
}

/* A late answer would be taken for the next question's. */
static void
close_what_is_lost(struct inject *i)
{
	if (i->link.state != LINK_UP)
		link_close(&i->link);
}

static enum inject_verdict
answer_to_q(struct inject *i, struct span *text)
{
	struct frame f;

	if (!link_receive(&i->link, &f))
		return INJECT_FAILED;
	if (f.tag == 'K' && i->link.state == LINK_UP)
		return INJECT_TAKEN;
	return refusal(i, &f, text);
}

enum inject_verdict
inject_ask(struct inject *i, struct span *text)
{
	enum inject_verdict v;

	if (!i->asks)
		return i->link.state == LINK_UP ? INJECT_TAKEN : INJECT_FAILED;
	inject_add(i, 'Q', SPAN(""));
	inject_flush(i);
	v = answer_to_q(i, text);
	close_what_is_lost(i);
	return v;
}

/* K: is it the id that we gave it, or else one that it got? */
static bool
learn_id(struct inject *i, struct span id)
{
	if (i->named)
		return span_eq(id, span_str(i->id));
	if (!queue_id_valid(id))
		return false;
	memcpy(i->id, id.p, QUEUE_ID_LEN);
	i->id[QUEUE_ID_LEN] = '\0';
	return true;
}

/* Whether all could be written does not matter: the answer counts. */
static enum inject_verdict
verdict(struct inject *i, struct span *text)
{
	struct frame f;

	if (!link_receive(&i->link, &f))
		return INJECT_FAILED;
	if (f.tag == 'K' && i->link.state == LINK_UP && learn_id(i, f.payload))
		return INJECT_TAKEN;
	return refusal(i, &f, text);
}

enum inject_verdict
inject_commit(struct inject *i, struct span *text)
{
	enum inject_verdict v;

	inject_add(i, 'E', SPAN(""));
	inject_flush(i);
	v = verdict(i, text);
	i->begun = false;
	close_what_is_lost(i);
	return v;
}

void
inject_abandon(struct inject *i)
{
	if (!i->begun)
		return;
	i->begun = false;
	inject_add(i, 'A', SPAN(""));
	close_what_is_lost(i);
}
