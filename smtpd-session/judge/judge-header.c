/* SPDX-License-Identifier: ISC */
/* The header section of a message: its fields, and whose mail From claims. */
#include "judge-header.h"

/* --- the message cut into fields and body --------------------------------- */

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
field_name(struct span line, struct span *name)
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

/* The lines before the last one are a field, or nothing. */
static void
fields_give(struct fields *f)
{
	struct span field = span_of(f->field.s, f->line), name;
	size_t rest = f->field.len - f->line;

	if (field_name(field, &name)) {
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
fields_begin_body(struct fields *f, bool malformed)
{
	f->in_body = true;
	f->malformed = f->astray = malformed;
	f->sink->end_of_header(f->context);
}

/* The body goes on, and another reader may still see a header in it. */
static void
fields_look_astray(struct fields *f, struct span s)
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
fields_take_line(struct fields *f)
{
	struct span line = span_skip(sbuf_span(&f->field), f->line), name;

	if (f->line == 0 || !ascii_isblank(line.p[0])) {
		fields_give(f);
		line = sbuf_span(&f->field);
		if (without_line_end(line).n == 0) {
			fields_begin_body(f, false);
			return;
		}
		if (!field_name(line, &name)) {
			fields_begin_body(f, true);
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
			fields_begin_body(f, true);
		} else if (whole) {
			fields_take_line(f);
		}
	}
	if (s.n == 0)
		return;
	f->sink->body(f->context, s);
	fields_look_astray(f, s);
}

void
fields_end(struct fields *f)
{
	if (f->astray && f->field.len > 0)
		f->sink->stray(f->context, sbuf_span(&f->field));
	if (f->in_body)
		return;
	if (f->line < f->field.len)
		fields_take_line(f);
	if (f->in_body)
		return;
	fields_give(f);
	fields_begin_body(f, false);
}

/* --- From ----------------------------------------------------------------- */

#define COMMENT_DEPTH 100

void
from_init(struct from *f)
{
	f->n = f->fields = 0;
	f->bad = false;
	from_begin(f);
	f->fields = 0;
}

void
from_begin(struct from *f)
{
	f->fields++;
	f->at = FROM_PHRASE;
	f->depth = 0;
	f->quoted = f->escaped = f->angle = f->words = f->group = false;
	f->gap = f->cr = false;
	f->len = 0;
}

/* Labels of letters, digits, hyphens and underscores. */
static bool
from_is_domain(struct span name)
{
	if (name.n == 0)
		return false;
	while (name.n > 0) {
		bool dot = span_find(name, '.') < name.n;
		struct span label = span_cut(&name, '.');

		if (label.n == 0 || label.n > 63 || (dot && name.n == 0))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_isalnum(label.p[i]) && label.p[i] != '-' &&
			    label.p[i] != '_')
				return false;
	}
	return true;
}

/* The domain that was read, in the place behind the others. */
static void
from_take_domain(struct from *f)
{
	char *name;

	if (f->n == FROM_DOMAINS_MAX) {
		f->bad = true;
		return;
	}
	name = f->domains[f->n];
	if (f->len > 0 && f->len < DNS_NAME_SIZE && name[f->len - 1] == '.')
		f->len--;
	if (f->len >= DNS_NAME_SIZE || !from_is_domain(span_of(name, f->len))) {
		f->bad = true;
		return;
	}
	name[f->len] = '\0';
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->domains[i], name) == 0)
			return;
	f->n++;
}

static void
from_add_to_domain(struct from *f, char c)
{
	if (f->n < FROM_DOMAINS_MAX && f->len < DNS_NAME_SIZE - 1)
		f->domains[f->n][f->len] = ascii_lower(c);
	f->len++;
}

static void
from_begin_domain(struct from *f)
{
	f->at = FROM_DOMAIN;
	f->len = 0;
	f->gap = false;
}

/* The address is over, one way or another. */
static void
from_end_mailbox(struct from *f)
{
	switch (f->at) {
	case FROM_PHRASE:
		f->bad = f->bad || f->words;
		break;
	case FROM_ANGLE:
		f->bad = true;
		break;
	case FROM_DOMAIN:
		f->bad = f->bad || f->angle;
		from_take_domain(f);
		break;
	case FROM_AFTER:
		break;
	}
	f->at = FROM_PHRASE;
	f->angle = f->words = false;
}

static void
from_word(struct from *f, char c)
{
	switch (f->at) {
	case FROM_PHRASE:
		f->words = true;
		return;
	case FROM_ANGLE:
		f->words = true;
		return;
	case FROM_DOMAIN:
		break;
	case FROM_AFTER:
		f->bad = true;
		return;
	}
	/* Only a dot joins words that blanks have parted (obs-domain). */
	if (f->gap && f->len > 0 && c != '.' &&
	    (f->len >= DNS_NAME_SIZE || f->n == FROM_DOMAINS_MAX ||
		f->domains[f->n][f->len - 1] != '.')) {
		f->bad = true;
		from_take_domain(f);
		f->at = FROM_AFTER;
		return;
	}
	f->gap = false;
	from_add_to_domain(f, c);
}

static void
from_open_angle(struct from *f)
{
	/* "a@b <c@d>": what was before is a name for some, for others not. */
	if (f->at == FROM_DOMAIN && !f->angle)
		from_take_domain(f);
	else if (f->at != FROM_PHRASE)
		f->bad = true;
	f->at = FROM_ANGLE;
	f->angle = true;
	f->words = false;
}

/* "MAILER-DAEMON <>", as in some bounces, has no address and is not bad. */
static void
from_close_angle(struct from *f)
{
	if (f->at == FROM_DOMAIN && f->angle)
		from_take_domain(f);
	else if (f->at != FROM_ANGLE || f->words)
		f->bad = true;
	f->at = FROM_AFTER;
}

static void
from_at_sign(struct from *f)
{
	if (f->at == FROM_DOMAIN || f->at == FROM_AFTER)
		f->bad = true;
	if (f->at == FROM_DOMAIN)
		from_take_domain(f);
	if (f->at == FROM_PHRASE && !f->words)
		f->bad = true;
	from_begin_domain(f);
}

/* A group's name has only words; a route (obs-route) is bad. */
static void
from_colon(struct from *f)
{
	if (f->at != FROM_PHRASE || f->group) {
		f->bad = true;
		if (f->at == FROM_DOMAIN && f->angle) {
			from_take_domain(f);
			f->at = FROM_ANGLE;
		}
		return;
	}
	f->group = true;
	f->words = false;
}

static void
from_special(struct from *f, char c)
{
	switch (c) {
	case '<':
		from_open_angle(f);
		break;
	case '>':
		from_close_angle(f);
		break;
	case '@':
		from_at_sign(f);
		break;
	case ',':
		from_end_mailbox(f);
		break;
	case ':':
		from_colon(f);
		break;
	case ';':
		f->bad = f->bad || !f->group;
		from_end_mailbox(f);
		f->group = false;
		break;
	default:
		/* [ ] \ and the end of a comment that did not begin */
		f->bad = true;
		from_word(f, c);
	}
}

/* True: c belongs to a comment or a quoted string. */
static bool
from_skip(struct from *f, char c)
{
	if (f->depth == 0 && !f->quoted)
		return false;
	if (f->escaped)
		f->escaped = false;
	else if (c == '\\')
		f->escaped = true;
	else if (f->quoted)
		f->quoted = c != '"';
	else if (c == '(' && f->depth < COMMENT_DEPTH)
		f->depth++;
	else if (c == '(')
		f->bad = true;
	else if (c == ')')
		f->depth--;
	return true;
}

void
from_push(struct from *f, char c)
{
	/* A reader may take a bare CR for the end of the line. */
	if (f->cr && c != '\n')
		f->bad = true;
	f->cr = c == '\r';
	if (c == '\0')
		f->bad = true;
	if (from_skip(f, c))
		return;
	switch (c) {
	case '(':
		f->depth = 1;
		f->gap = true;
		break;
	case '"':
		f->quoted = true;
		from_word(f, '"');
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		f->gap = true;
		break;
	default:
		if (c != '\0' && strchr("<>@,:;[]\\)", c) != NULL)
			from_special(f, c);
		else
			from_word(f, c);
	}
}

void
from_end(struct from *f)
{
	if (f->depth > 0 || f->quoted || f->group)
		f->bad = true;
	from_end_mailbox(f);
}
