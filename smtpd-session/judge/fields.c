/* SPDX-License-Identifier: ISC */
/* A message cut into the whole fields of its header section, and its body. */
#include "fields.h"

void
fields_init(struct fields *f)
{
	*f = (struct fields){ .n = 0 };
	sbuf_init(&f->field, FIELDS_SIZE_MAX);
}

void
fields_begin(struct fields *f, const struct fields_sink *sink, void *context)
{
	sbuf_reset(&f->field);
	f->sink = sink;
	f->context = context;
	f->size = f->line = 0;
	f->n = 0;
	f->in_body = f->malformed = f->too_large = f->astray = false;
}

/* The name before the colon; false: the line begins no field. */
static bool
name_of(struct span line, struct span *name)
{
	size_t colon = span_find(line, ':');

	if (colon == line.n)
		return false;
	*name = span_of(line.p, colon);
	while (name->n > 0 && ascii_isblank(name->p[name->n - 1]))
		name->n--;
	for (size_t i = 0; i < name->n; i++)
		if (name->p[i] < '!' || name->p[i] > '~')
			return false;
	return name->n > 0;
}

static struct span
without_line_end(struct span s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

/* What stands before the last line is a field, or nothing. */
static void
give_field(struct fields *f)
{
	struct span field = span_of(f->field.s, f->line), name;
	size_t rest = f->field.len - f->line;

	if (name_of(field, &name)) {
		f->size += field.n;
		if (f->n == FIELDS_MAX || f->size > FIELDS_SIZE_MAX)
			f->too_large = true;
		else
			f->sink->field(f->context, without_line_end(field),
			    name);
		f->n++;
	}
	memmove(f->field.s, f->field.s + f->line, rest);
	sbuf_truncate(&f->field, rest);
	f->line = 0;
}

static void
begin_body(struct fields *f, bool malformed)
{
	f->in_body = true;
	f->malformed = f->astray = malformed;
	f->sink->end_of_header(f->context);
}

/* The body goes on, and with it perhaps somebody's header. */
static void
look_astray(struct fields *f, struct span s)
{
	while (s.n > 0 && f->astray) {
		size_t n = span_find(s, '\n');
		bool whole = n < s.n;
		struct span line;

		n += whole;
		sbuf_add(&f->field, s.p, n);
		s = span_skip(s, n);
		f->too_large = f->too_large || f->field.bad;
		line = without_line_end(sbuf_span(&f->field));
		if (f->field.bad || (whole && line.n == 0))
			f->astray = false;
		else if (whole)
			f->sink->stray(f->context, line);
		if (whole)
			sbuf_reset(&f->field);
	}
}

/* A line is whole: it goes on with the field, begins one, or the body. */
static void
take_line(struct fields *f)
{
	struct span line = span_skip(sbuf_span(&f->field), f->line), name;

	if (f->line == 0 || !ascii_isblank(line.p[0])) {
		give_field(f);
		line = sbuf_span(&f->field);
		if (without_line_end(line).n == 0) {
			begin_body(f, false);
			return;
		}
		if (!name_of(line, &name)) {
			begin_body(f, true);
			f->sink->body(f->context, line);
			f->sink->stray(f->context, without_line_end(line));
			sbuf_reset(&f->field);
			return;
		}
	}
	f->line = f->field.len;
}

void
fields_push(struct fields *f, struct span s)
{
	while (s.n > 0 && !f->in_body) {
		size_t n = span_find(s, '\n');
		bool whole = n < s.n;

		n += whole;
		sbuf_add(&f->field, s.p, n);
		s = span_skip(s, n);
		if (f->field.bad) {
			f->too_large = true;
			begin_body(f, true);
		} else if (whole) {
			take_line(f);
		}
	}
	if (s.n == 0)
		return;
	f->sink->body(f->context, s);
	look_astray(f, s);
}

void
fields_end(struct fields *f)
{
	if (f->astray && f->field.len > 0)
		f->sink->stray(f->context, sbuf_span(&f->field));
	if (f->in_body)
		return;
	if (f->line < f->field.len)
		take_line(f);
	if (f->in_body)
		return;
	give_field(f);
	begin_body(f, false);
}
