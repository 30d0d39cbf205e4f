/* SPDX-License-Identifier: ISC */
/* What a header section says of the signatures that the message gets. */
#include "survey.h"

#include "address.h"
#include "origin.h"

void
survey_start(struct survey_walk *w, struct span section)
{
	header_init(&w->header);
	w->rest = section;
	w->bad = false;
}

void
survey_stop(struct survey_walk *w)
{
	header_free(&w->header);
}

bool
survey_next(struct survey_walk *w, struct span *name, struct span *field)
{
	struct span in = w->rest;
	enum header_event e;
	size_t used;

	e = header_push(&w->header, in, &used);
	if (e == HEADER_MORE)
		e = header_finish(&w->header);
	w->bad = w->bad || w->header.field.bad;
	if (e != HEADER_FIELD || w->bad)
		return false;
	*name = header_name(&w->header);
	*field = span_of(in.p, used);
	w->rest = span_skip(in, used);
	return true;
}

struct span
survey_value(struct span field)
{
	field = span_skip(field, span_find(field, ':') + 1);
	if (field.n > 0 && field.p[field.n - 1] == '\n')
		field.n--;
	if (field.n > 0 && field.p[field.n - 1] == '\r')
		field.n--;
	return field;
}

void
survey_take(struct survey *v, struct span section)
{
	struct span name, field;
	struct survey_walk w;

	memset(v, 0, sizeof(*v));
	sbuf_init(&v->author, ADDRESS_PATH_MAX);
	survey_start(&w, section);
	while (survey_next(&w, &name, &field)) {
		size_t i = fields_find(name);

		if (i == fields_count)
			continue;
		v->seen[i] = true;
		v->count++;
		v->nul = v->nul || memchr(field.p, '\0', field.n) != NULL;
		if (!span_ieq(name, SPAN("From")))
			continue;
		v->from++;
		v->good = origin_domain(survey_value(field), &v->author);
		v->bad = v->bad || v->author.bad;
	}
	v->bad = v->bad || w.bad;
	survey_stop(&w);
}

void
survey_free(struct survey *v)
{
	sbuf_free(&v->author);
}
