/* SPDX-License-Identifier: ISC */
/* What the log hears of a message that was taken, or was not. */
#include "envelope.h"
#include "log.h"
#include "message.h"

#define TO_ROOM 1400 /* octets of a line beyond which no recipient begins */

/* What the frames of this tag say: a fact's value, or the sender's path. */
static struct span
find(const struct message *m, char tag, struct span name)
{
	struct span rest = sbuf_span(&m->frames), key, value;
	struct envelope_path from;
	struct frame f;
	size_t used;

	while (frame_parse(rest, &f, &used) == FRAME_READY) {
		rest = span_skip(rest, used);
		if (f.tag != tag)
			continue;
		if (tag == 'S' && envelope_sender(f.payload, &from))
			return from.path;
		if (tag == 'C' && envelope_fact(f.payload, &key, &value) &&
		    span_eq(key, name))
			return value;
	}
	return SPAN("");
}

/* As many as a line of moderate length has room for: TO_ROOM. */
static void
log_recipients(struct logline *l, const struct message *m)
{
	struct span rest = sbuf_span(&m->frames);
	struct envelope_path to;
	struct frame f;
	size_t used;

	while (frame_parse(rest, &f, &used) == FRAME_READY) {
		rest = span_skip(rest, used);
		if (f.tag != 'R' || !envelope_recipient(f.payload, &to))
			continue;
		if (l->len + to.path.n > TO_ROOM)
			return;
		log_span(l, "to", to.path);
	}
}

static void
log_fact(struct logline *l, const struct message *m, const char *name)
{
	struct span value = find(m, 'C', span_str(name));

	if (value.n > 0)
		log_span(l, name, value);
}

/* Who changed what: by=NAME, and how many of each kind. */
static void
log_changes(struct logline *l, const struct adviser *a)
{
	if (a->deleted + a->put + a->top == 0 && !a->junk)
		return;
	log_str(l, "by", a->name);
	if (a->deleted > 0)
		log_num(l, "deleted", a->deleted);
	if (a->put > 0)
		log_num(l, "put", a->put);
	if (a->top > 0)
		log_num(l, "top", a->top);
	if (a->junk)
		log_str(l, "mark", "junk");
}

static void
log_advice(struct logline *l, const struct message *m, bool queued)
{
	if (m->unjudged)
		log_str(l, "unjudged", "yes");
	if (!queued && m->by != NULL)
		log_str(l, "by", m->by->name);
	for (unsigned i = 0; queued && i < m->advice->n; i++)
		log_changes(l, &m->advice->of[i]);
}

void
message_log(const struct message *m, const struct verdict *v)
{
	static const char *const known[] = { "helo", "protocol", "tls", "uid",
		"user", "about" };
	struct logline l;
	char ip[IP_TEXT];
	bool queued = v->tag == 'K';

	log_begin(&l, m->id, queued ? "queued" : "refused");
	log_span(&l, "entrance", find(m, 'C', SPAN("entrance")));
	log_span(&l, "from", find(m, 'S', SPAN("")));
	log_num(&l, "nrcpt", m->recipients);
	log_num(&l, "size", queued ? m->drafts[m->text].length : m->size);
	ip_text(&m->client, ip);
	if (m->client.size != 0)
		log_str(&l, "ip", ip);
	else
		log_fact(&l, m, "ip");
	for (size_t i = 0; i < nitems(known); i++)
		log_fact(&l, m, known[i]);
	log_advice(&l, m, queued);
	if (!queued)
		log_str(&l, "reply", v->text);
	log_recipients(&l, m);
	log_end(&l);
}
