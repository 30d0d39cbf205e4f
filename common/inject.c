/* SPDX-License-Identifier: ISC */
/* Handing messages to smtpd-queue: "Injection" in smtpd-frames(5). */
#include "inject.h"

#include "address.h"

#define FACT_MAX 512

void
inject_adopt(struct inject *i, int fd)
{
	link_adopt(&i->link, fd);
	i->greeted = i->asks = i->begun = false;
}

/* A greeting with an unknown word is malformed: the word must be understood. */
static bool
inject_understands(struct inject *i, const struct frame *f)
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
		i->greeted = inject_understands(i, &f);
		if (!i->greeted)
			link_lose(&i->link, "malformed greeting");
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
	struct sbuf fact = SBUF_IN(mem);

	sbuf_adds(&fact, name);
	sbuf_putc(&fact, '=');
	sbuf_addspan(&fact, value);
	inject_add(i, 'C', sbuf_span(&fact));
}

void
inject_recipient(struct inject *i, const struct conf *conf, struct span mailbox)
{
	struct span domain = span_skip(mailbox, span_rfind(mailbox, '@') + 1);
	char mem[sizeof("remote <>") + ADDRESS_PATH_MAX];
	struct sbuf to = SBUF_IN(mem);

	sbuf_adds(&to,
	    conf_has_domain(conf->local_domains, domain) ? "local <" :
							   "remote <");
	sbuf_addspan(&to, mailbox);
	sbuf_putc(&to, '>');
	inject_add(i, 'R', sbuf_span(&to));
}

void
inject_text(struct inject *i, struct span text)
{
	while (text.n > 0) {
		size_t n = text.n < FRAME_PAYLOAD_MAX ? text.n :
							FRAME_PAYLOAD_MAX;

		inject_add(i, 'B', span_of(text.p, n));
		text = span_skip(text, n);
	}
}

void
inject_flush(struct inject *i)
{
	link_flush(&i->link);
}

/* A greeting that was not waited for comes before the first answer. */
static enum link_answer
inject_answer(struct inject *i, struct span *text)
{
	struct frame f;
	bool got = link_receive(&i->link, &f);

	if (got && !i->greeted && inject_understands(i, &f)) {
		i->greeted = true;
		got = link_receive(&i->link, &f);
	}
	return got ? link_read(&i->link, &f, text) : LINK_FAILED;
}

enum link_answer
inject_ask(struct inject *i, struct span *text)
{
	if (!i->asks)
		return i->link.state == LINK_UP ? LINK_YES : LINK_FAILED;
	inject_add(i, 'Q', SPAN(""));
	inject_flush(i);
	return inject_answer(i, text);
}

/* K repeats the id that we chose, or says the one that the injector chose. */
static bool
inject_learn_id(struct inject *i, struct span id)
{
	if (i->named)
		return span_eq(id, span_str(i->id));
	if (!queue_id_valid(id))
		return false;
	memcpy(i->id, id.p, QUEUE_ID_LEN);
	i->id[QUEUE_ID_LEN] = '\0';
	return true;
}

enum link_answer
inject_commit(struct inject *i, struct span *text)
{
	enum link_answer a;

	inject_add(i, 'E', SPAN(""));
	inject_flush(i);
	a = inject_answer(i, text);
	i->begun = false;
	if (a != LINK_YES || inject_learn_id(i, *text))
		return a;
	link_lose(&i->link, "malformed answer");
	link_close(&i->link);
	return LINK_FAILED;
}

void
inject_abandon(struct inject *i)
{
	if (i->begun)
		inject_add(i, 'A', SPAN(""));
	i->begun = false;
}
