/* SPDX-License-Identifier: ISC */
/* What smtpd-sign does with each frame of a message on its way down. */
#include "signing.h"

#include "log.h"
#include "survey.h"

#define NO_KEY "451 4.3.5 Cannot sign this message now, try again later"
#define WHY_MAX 1024

static void
close_signers(struct signing *s)
{
	while (s->nsigners > 0)
		signer_close(&s->signers[--s->nsigners]);
	keys_free(&s->keys);
}

static void
forget_header(struct signing *s)
{
	sbuf_free(&s->held);
	sbuf_free(&s->tops);
	sbuf_free(&s->sizes);
}

static void
forget(struct signing *s)
{
	filter_forget(s->filter);
	s->stage = SIGNING_HEADER;
	header_free(&s->header);
	header_init(&s->header);
	forget_header(s);
	close_signers(s);
}

void
signing_init(struct signing *s, struct filter *f)
{
	*s = (struct signing){ .filter = f,
		.enabled = keys_configured(f->conf) };
	header_init(&s->header);
	sbuf_init(&s->held, SIGNING_HEADER_MAX);
	sbuf_init(&s->tops, SIGNING_HEADER_MAX);
	sbuf_init(&s->sizes, SIGNING_HEADER_MAX);
	forget(s);
}

static void
refuse(struct signing *s, char tag, struct span reply)
{
	downstream_refuse(&s->filter->down, tag, reply);
	close_signers(s);
}

static bool
refused(const struct signing *s)
{
	return s->filter->down.verdict != '\0';
}

/* NULL: the client has not come so far. */
static const char *
id_of(const struct signing *s)
{
	return s->filter->id[0] == '\0' ? NULL : s->filter->id;
}

/* One line of the log, about a message that is not signed. */
static void
tell(const struct signing *s, const char *event, const char *name,
    struct span value)
{
	struct logline l;

	log_begin(&l, id_of(s), event);
	log_span(&l, name, value);
	log_end(&l);
}

/* The signer cannot, for no fault of the message's. */
static void
fail(struct signing *s, const struct signer *signer)
{
	tell(s, "unsignable", "error", span_str(signer_error(signer)));
	refuse(s, 'Z', SPAN(NO_KEY));
}

/* --- the header section ------------------------------------------------- */

/* The whole section: of what stands on top the last H comes first. */
static void
join(const struct signing *s, size_t held, struct sbuf *section)
{
	size_t at = s->tops.len, i = s->sizes.len / sizeof(size_t), size;

	while (i-- > 0) {
		memcpy(&size, s->sizes.s + i * sizeof(size), sizeof(size));
		at -= size;
		sbuf_add(section, s->tops.s + at, size);
	}
	sbuf_add(section, s->held.s, held);
}

static bool
oversign(const struct survey *v)
{
	/* The library looks at the list again when it signs. */
	static const char *names[FIELDS_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < fields_count; i++) {
		if (v->seen[i] || fields_signed[i].rule == FIELDS_ALWAYS)
			names[n++] = fields_signed[i].name;
	}
	names[n] = NULL;
	return signer_oversign(names);
}

static bool
sign_fields(struct signer *signer, const struct sbuf *section)
{
	struct span name, field;
	struct survey_walk w;
	bool good = true;

	survey_start(&w, sbuf_span(section));
	while (good && survey_next(&w, &name, &field)) {
		if (fields_find(name) < fields_count)
			good = signer_field(signer, name, survey_value(field));
	}
	survey_stop(&w);
	return good && !w.bad && signer_end_header(signer);
}

static void
open_signers(struct signing *s, const struct survey *v,
    const struct sbuf *section)
{
	static const struct signer none;

	if (!oversign(v)) {
		fail(s, &none);
		return;
	}
	for (size_t i = 0; i < s->keys.n && !refused(s); i++) {
		struct signer *signer = &s->signers[s->nsigners++];

		if (!signer_open(signer, &s->keys.key[i]) ||
		    !sign_fields(signer, section))
			fail(s, signer);
	}
}

/* Who signs it? A message that cannot be signed although it should, waits. */
static void
choose(struct signing *s, const struct survey *v, const struct sbuf *section)
{
	struct sbuf why;

	if (v->from != 1 || !v->good) {
		tell(s, "unsigned", "reason",
		    v->from == 0    ? SPAN("no From") :
			v->from > 1 ? SPAN("more than one From") :
				      SPAN("no address in From"));
		return;
	}
	sbuf_init(&why, WHY_MAX);
	switch (keys_find(&s->keys, s->filter->conf, sbuf_span(&v->author),
	    &why)) {
	case KEYS_NONE:
		tell(s, "unsigned", "no_key_for", sbuf_span(&v->author));
		break;
	case KEYS_BAD:
		tell(s, "bad-key", "error", sbuf_span(&why));
		refuse(s, 'Z', SPAN(NO_KEY));
		break;
	case KEYS_FOUND:
		if (v->nul || v->count > SIGNING_FIELDS_MAX)
			refuse(s, 'X',
			    v->nul ? SPAN("554 5.6.0 NUL in a header field") :
				     SPAN("554 5.6.0 Too many header fields"));
		else
			open_signers(s, v, section);
		break;
	}
	sbuf_free(&why);
}

static void
hash_body(struct signing *s, struct span octets)
{
	for (size_t i = 0; i < s->nsigners; i++) {
		if (!signer_body(&s->signers[i], octets)) {
			fail(s, &s->signers[i]);
			return;
		}
	}
}

/* text: how much of what is held is of the text already. */
static void
end_header(struct signing *s)
{
	size_t text = s->header.field.len;
	struct sbuf section;
	struct survey v;

	s->stage = SIGNING_BODY;
	sbuf_init(&section, SIGNING_HEADER_MAX * 2);
	join(s, s->held.len - text, &section);
	if (section.bad) {
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	} else {
		survey_take(&v, sbuf_span(&section));
		if (v.bad)
			refuse(s, 'Z', SPAN(LOCAL_ERROR));
		else
			choose(s, &v, &section);
		survey_free(&v);
	}
	sbuf_free(&section);
	hash_body(s, span_skip(sbuf_span(&s->held), s->held.len - text));
	forget_header(s);
}

/* False: it cannot be held, and the message is refused. */
static bool
hold(struct signing *s, struct sbuf *b, struct span octets)
{
	if (octets.n > SIGNING_HEADER_MAX - s->held.len - s->tops.len)
		refuse(s, 'X', SPAN("552 5.3.4 Header section too big"));
	sbuf_addspan(b, octets);
	if (b->bad || s->header.field.bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
	return !refused(s);
}

/* --- frames ------------------------------------------------------------- */

static void
take_fields(struct signing *s, struct span lines)
{
	if (s->stage != SIGNING_HEADER || s->held.len > 0 || s->header.done ||
	    !hold(s, &s->tops, lines))
		return;
	sbuf_add(&s->sizes, &lines.n, sizeof(lines.n));
	if (s->sizes.bad)
		refuse(s, 'Z', SPAN(LOCAL_ERROR));
}

static void
take_body(struct signing *s, struct span in)
{
	size_t used;

	while (in.n > 0 && s->stage == SIGNING_HEADER) {
		enum header_event e = header_push(&s->header, in, &used);

		if (!hold(s, &s->held, span_of(in.p, used)))
			return;
		in = span_skip(in, used);
		if (e == HEADER_END)
			end_header(s);
	}
	hash_body(s, in);
}

static void
add_signatures(struct signing *s)
{
	struct logline l;
	struct sbuf b;

	log_begin(&l, id_of(s), "signed");
	log_str(&l, "domain", s->keys.key[0].domain);
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	/* The last stands on top: that is to be the first. */
	for (size_t i = s->nsigners; i-- > 0 && !refused(s);) {
		sbuf_reset(&b);
		if (signer_finish(&s->signers[i], &b))
			downstream_pass(&s->filter->down, 'H', sbuf_span(&b));
		else
			fail(s, &s->signers[i]);
		log_str(&l, key_type(s->keys.key[i].algorithm),
		    s->keys.key[i].selector);
	}
	if (!refused(s))
		log_end(&l);
	sbuf_free(&b);
}

static enum io
take_end(struct signing *s, instant deadline)
{
	if (s->enabled && s->stage == SIGNING_HEADER && !refused(s)) {
		while (header_finish(&s->header) == HEADER_FIELD)
			;
		end_header(s);
	}
	if (s->nsigners > 0)
		add_signatures(s);
	downstream_pass(&s->filter->down, 'E', SPAN(""));
	return filter_verdict(s->filter, deadline);
}

enum io
signing_take(void *context, const struct frame *f, instant deadline)
{
	struct signing *s = context;
	enum io r = IO_OK;

	switch (f->tag) {
	case 'S':
		return filter_sender(s->filter, f, deadline);
	case 'E':
		r = take_end(s, deadline);
		forget(s);
		return r;
	case 'A':
		filter_abandon(s->filter);
		forget(s);
		return IO_OK;
	default:
		break;
	}
	downstream_pass(&s->filter->down, f->tag, f->payload);
	if (!s->enabled || refused(s))
		return r;
	if (f->tag == 'H')
		take_fields(s, f->payload);
	else if (f->tag == 'B')
		take_body(s, f->payload);
	return r;
}
