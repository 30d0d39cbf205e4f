/* SPDX-License-Identifier: ISC */
/* What smtpd-sign makes of each message that it is asked about. */
#include "signing.h"

#include <errno.h>

#include "log.h"
#include "survey.h"

#define NO_KEY "451 4.3.5 Cannot sign this message now, try again later"
#define WHY_MAX 1024
#define PIECE 65536

static char piece[PIECE];

void
signing_init(struct signing *s, const struct conf *conf)
{
	s->conf = conf;
	s->enabled = keys_configured(conf);
	sbuf_init(&s->tops, SIGNING_HEADER_MAX);
	sbuf_init(&s->sizes, SIGNING_HEADER_MAX);
	sbuf_init(&s->section, SIGNING_HEADER_MAX);
}

static void
signing_begin(void *context)
{
	struct signing *s = context;

	s->id[0] = '\0';
	sbuf_reset(&s->tops);
	sbuf_reset(&s->sizes);
}

static void
take_fact(void *context, struct span name, struct span value)
{
	struct signing *s = context;

	if (span_eq(name, SPAN("id")) && queue_id_valid(value)) {
		memcpy(s->id, value.p, value.n);
		s->id[value.n] = '\0';
	}
}

static void
take_fields(void *context, struct span lines)
{
	struct signing *s = context;

	if (!s->enabled)
		return;
	sbuf_addspan(&s->tops, lines);
	sbuf_add(&s->sizes, &lines.n, sizeof(lines.n));
}

/* One line of the log, about a message that is not signed. */
static void
tell(const struct signing *s, const char *event, const char *name,
    struct span value)
{
	struct logline l;

	log_begin(&l, s->id[0] == '\0' ? NULL : s->id, event);
	log_span(&l, name, value);
	log_end(&l);
}

/* It should be signed and cannot be: it has to wait. */
static bool
fail(const struct signing *s, const char *why)
{
	tell(s, "unsignable", "error", span_str(why));
	return false;
}

static bool
fail_unread(const struct signing *s)
{
	return fail(s, strerror(errno));
}

/* --- the header section -------------------------------------------------- */

/* Of what stands on top the last H comes first. */
static void
take_tops(struct signing *s)
{
	size_t at = s->tops.len, i = s->sizes.len / sizeof(size_t), size;

	if (s->tops.bad || s->sizes.bad)
		s->section.bad = true;
	while (i-- > 0 && !s->section.bad) {
		memcpy(&size, s->sizes.s + i * sizeof(size), sizeof(size));
		at -= size;
		sbuf_add(&s->section, s->tops.s + at, size);
	}
}

/* Adds the text's own section; *body: where it ends. */
static bool
read_header(struct signing *s, const struct advise_text *t, struct header *h,
    uint64_t *body)
{
	uint64_t at = 0;
	size_t used;
	ssize_t n;

	while (!h->done && !s->section.bad) {
		struct span in;

		n = advise_read(t, at, piece, sizeof(piece));
		if (n == -1)
			return fail_unread(s);
		if (n == 0)
			break;
		in = span_of(piece, (size_t)n);
		while (header_push(h, in, &used) == HEADER_FIELD) {
			sbuf_add(&s->section, in.p, used);
			in = span_skip(in, used);
			at += used;
		}
		sbuf_add(&s->section, in.p, used);
		at += used;
	}
	while (header_finish(h) == HEADER_FIELD)
		;
	if (s->section.bad || h->field.bad)
		return fail(s, "the header section is too large");
	/* What the machine holds now is of the first line of the body. */
	sbuf_truncate(&s->section, s->section.len - h->field.len);
	*body = at - h->field.len;
	return true;
}

static bool
take_section(struct signing *s, const struct advise_text *t, uint64_t *body)
{
	struct header h;
	bool good;

	sbuf_reset(&s->section);
	take_tops(s);
	header_init(&h);
	good = read_header(s, t, &h, body);
	header_free(&h);
	return good;
}

/* --- signatures ---------------------------------------------------------- */

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

static bool
open_signers(struct signing *s, const struct survey *v)
{
	static const struct signer none;

	/* smtpd-submit has refused it, where it was asked. */
	if (v->nul)
		return fail(s, "NUL in a header field");
	if (v->count > SIGNING_FIELDS_MAX)
		return fail(s, "too many header fields");
	if (!oversign(v))
		return fail(s, signer_error(&none));
	for (size_t i = 0; i < s->keys.n; i++) {
		struct signer *signer = &s->signers[s->nsigners++];

		if (!signer_open(signer, &s->keys.key[i]) ||
		    !sign_fields(signer, &s->section))
			return fail(s, signer_error(signer));
	}
	return true;
}

/* Who signs it? A message that cannot be signed although it should, waits. */
static bool
choose(struct signing *s, const struct survey *v)
{
	struct sbuf why;
	bool good = true;

	if (v->from != 1 || !v->good) {
		tell(s, "unsigned", "reason",
		    v->from == 0    ? SPAN("no From") :
			v->from > 1 ? SPAN("more than one From") :
				      SPAN("no address in From"));
		return true;
	}
	sbuf_init(&why, WHY_MAX);
	switch (keys_find_known(&s->keys, &s->known, s->conf,
	    sbuf_span(&v->author), &why)) {
	case KEYS_NONE:
		tell(s, "unsigned", "no_key_for", sbuf_span(&v->author));
		break;
	case KEYS_BAD:
		tell(s, "bad-key", "error", sbuf_span(&why));
		good = false;
		break;
	case KEYS_FOUND:
		good = open_signers(s, v);
		break;
	}
	sbuf_free(&why);
	return good;
}

static bool
start_signers(struct signing *s)
{
	struct survey v;
	bool good;

	survey_take(&v, sbuf_span(&s->section));
	good = v.bad ? fail(s, "no memory") : choose(s, &v);
	survey_free(&v);
	return good;
}

static bool
hash_body(struct signing *s, const struct advise_text *t, uint64_t at)
{
	ssize_t n;

	while ((n = advise_read(t, at, piece, sizeof(piece))) > 0) {
		for (size_t i = 0; i < s->nsigners; i++)
			if (!signer_body(&s->signers[i],
				span_of(piece, (size_t)n)))
				return fail(s, signer_error(&s->signers[i]));
		at += (uint64_t)n;
	}
	return n == 0 || fail_unread(s);
}

static bool
add_signatures(struct signing *s)
{
	struct logline l;
	struct sbuf b;
	bool good = true;

	log_begin(&l, s->id[0] == '\0' ? NULL : s->id, "signed");
	log_str(&l, "domain", s->keys.key[0].domain);
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	/* The last stands on top: that is to be the first. */
	for (size_t i = s->nsigners; i-- > 0 && good;) {
		sbuf_reset(&b);
		good = signer_finish(&s->signers[i], &b) ||
		    fail(s, signer_error(&s->signers[i]));
		if (good)
			advise_top(sbuf_span(&b));
		log_str(&l, key_type(s->keys.key[i].algorithm),
		    s->keys.key[i].selector);
	}
	if (good)
		log_end(&l);
	sbuf_free(&b);
	return good;
}

/* False: it has to wait, and the log says why. */
static bool
sign(struct signing *s, const struct advise_text *t)
{
	uint64_t body = 0;

	if (!take_section(s, t, &body) || !start_signers(s))
		return false;
	return s->nsigners == 0 || (hash_body(s, t, body) && add_signatures(s));
}

static void
close_signers(struct signing *s)
{
	while (s->nsigners > 0)
		signer_close(&s->signers[--s->nsigners]);
	keys_free(&s->keys);
}

static void
take_text(void *context, const struct advise_text *t)
{
	struct signing *s = context;
	bool good = !s->enabled || sign(s, t);

	close_signers(s);
	if (good)
		advise_pass();
	else
		advise_later(SPAN(NO_KEY));
}

void
signing_rehearse(struct signing *s, struct span domain)
{
	struct sbuf why, field;

	sbuf_init(&why, WHY_MAX);
	sbuf_init(&field, FRAME_PAYLOAD_MAX);
	if (keys_find_known(&s->keys, &s->known, s->conf, domain, &why) ==
	    KEYS_FOUND)
		for (size_t i = 0; i < s->keys.n; i++) {
			struct signer *signer = &s->signers[s->nsigners++];

			/* What fails here fails again, and is said then. */
			(void)(signer_open(signer, &s->keys.key[i]) &&
			    signer_field(signer, SPAN("From"), SPAN("a@b")) &&
			    signer_end_header(signer) &&
			    signer_finish(signer, &field));
		}
	close_signers(s);
	sbuf_free(&why);
	sbuf_free(&field);
}

const struct adviser signing_adviser = {
	.begin = signing_begin,
	.fact = take_fact,
	.field = take_fields,
	.text = take_text,
};
