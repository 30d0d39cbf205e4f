/* SPDX-License-Identifier: ISC */
/* The session's side of the injection conversation. */
#include "inject.h"
#include "reply.h"

#define FACT_MAX 512

void
inject_add(struct inject *i, char tag, struct span payload)
{
	if (tag == 'S')
		i->owed++;
	link_send(&i->link, tag, payload);
}

void
inject_fact(struct inject *i, const char *name, struct span value, int fd)
{
	char mem[FACT_MAX];
	struct sbuf fact = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	sbuf_adds(&fact, name);
	sbuf_putc(&fact, '=');
	sbuf_addspan(&fact, value);
	if (fd == -1)
		inject_add(i, 'C', sbuf_span(&fact));
	else
		link_send_fd(&i->link, 'C', sbuf_span(&fact), fd);
}

void
inject_flush(struct inject *i)
{
	link_flush(&i->link);
}

bool
inject_id(struct inject *i)
{
	struct frame f;

	/* Those of abandoned messages come first. */
	for (; i->owed > 0; i->owed--) {
		if (!link_receive(&i->link, &f))
			return false;
		if (f.tag != 'I' || !queue_id_valid(f.payload)) {
			link_lose(&i->link, "an id that is none");
			return false;
		}
		memcpy(i->id, f.payload.p, QUEUE_ID_LEN);
		i->id[QUEUE_ID_LEN] = '\0';
	}
	return i->link.state == LINK_UP;
}

/* Whether all could be written does not matter: the answer counts. */
static enum inject_verdict
verdict(struct inject *i, struct span *text)
{
	struct frame f;

	do
		if (!link_receive(&i->link, &f))
			return INJECT_FAILED;
	while (f.tag == 'I');
	if (f.tag == 'K' && i->link.state == LINK_UP &&
	    span_eq(f.payload, span_str(i->id)))
		return INJECT_TAKEN;
	*text = f.payload;
	if ((f.tag == 'Z' && reply_is(f.payload, '4')) ||
	    (f.tag == 'X' && reply_is(f.payload, '5')))
		return INJECT_REFUSED;
	link_lose(&i->link, "an answer that is none");
	return INJECT_FAILED;
}

enum inject_verdict
inject_commit(struct inject *i, struct span *text)
{
	enum inject_verdict v;

	inject_add(i, 'E', SPAN(""));
	inject_flush(i);
	v = verdict(i, text);
	/* A late answer would be taken for the next message's. */
	if (i->link.state != LINK_UP)
		link_close(&i->link);
	return v;
}

void
inject_abandon(struct inject *i)
{
	inject_add(i, 'A', SPAN(""));
	inject_flush(i);
	if (i->link.state != LINK_UP)
		link_close(&i->link);
}
