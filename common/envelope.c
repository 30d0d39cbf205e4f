/* SPDX-License-Identifier: ISC */
/* Takes the envelope frames apart: facts, sender, recipients. */
#include "envelope.h"

/* NUL, CR or LF would be a second line, or half a name, to the next program. */
static bool
envelope_is_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	}
	return true;
}

bool
envelope_fact(struct span payload, struct span *name, struct span *value)
{
	size_t equals = span_find(payload, '=');

	if (equals == 0 || equals == payload.n || !envelope_is_text(payload))
		return false;
	for (size_t i = 0; i < equals; i++) {
		char c = payload.p[i];

		if (!ascii_isalnum(c) && c != '-' && c != '_')
			return false;
	}
	*name = span_of(payload.p, equals);
	*value = span_skip(payload, equals + 1);
	return true;
}

static bool
envelope_split(struct span rest, enum address_path kind,
    struct envelope_path *e)
{
	const char *start = rest.p;

	if (!envelope_is_text(rest) ||
	    address_path(&rest, kind, &e->address) != ADDRESS_OK)
		return false;
	e->path = span_of(start, (size_t)(rest.p - start));
	if (rest.n > 0 && rest.p[0] != ' ')
		return false;
	e->params = span_trim(rest);
	return true;
}

bool
envelope_sender(struct span payload, struct envelope_path *e)
{
	e->local = false;
	return envelope_split(payload, ADDRESS_REVERSE, e);
}

bool
envelope_recipient(struct span payload, struct envelope_path *e)
{
	struct span class = span_cut(&payload, ' ');

	e->local = span_eq(class, SPAN("local"));
	if (!e->local && !span_eq(class, SPAN("remote")))
		return false;
	return envelope_split(payload, ADDRESS_FORWARD, e);
}

bool
envelope_take(enum envelope_stage *stage, const struct frame *f,
    struct envelope_part *part)
{
	bool good = false;

	switch (f->tag) {
	case 'C':
		good = *stage <= ENVELOPE_FACTS &&
		    envelope_fact(f->payload, &part->name, &part->value);
		if (good)
			*stage = ENVELOPE_FACTS;
		break;
	case 'S':
		good = *stage == ENVELOPE_FACTS &&
		    envelope_sender(f->payload, &part->path);
		if (good)
			*stage = ENVELOPE_SENDER;
		break;
	case 'R':
		good = (*stage == ENVELOPE_SENDER ||
			   *stage == ENVELOPE_RECIPIENTS) &&
		    envelope_recipient(f->payload, &part->path);
		if (good)
			*stage = ENVELOPE_RECIPIENTS;
		break;
	}
	return good;
}

bool
envelope_marks_junk(const struct frame *f)
{
	return f->tag == 'M' && span_eq(f->payload, SPAN("junk"));
}
