/* SPDX-License-Identifier: ISC */
/* The header section of a message, field by field, however it is cut. */
#include "header.h"

void
header_init(struct header *h)
{
	memset(h, 0, sizeof(*h));
	sbuf_init(&h->field, HEADER_KEPT);
}

void
header_free(struct header *h)
{
	sbuf_free(&h->field);
}

static void
next_field(struct header *h)
{
	sbuf_reset(&h->field);
	h->name_len = 0;
	h->length = 0;
	h->given = h->complete = h->cut = false;
}

static void
header_keep(struct header *h, const char *p, size_t n)
{
	size_t room = HEADER_KEPT - h->field.len;

	h->length += n;
	if (n > room) {
		h->cut = true;
		n = room;
	}
	sbuf_add(&h->field, p, n);
}

enum octet { OCTET_TAKEN, OCTET_EMPTY_LINE, OCTET_NO_FIELD };

/* An octet of what may become a name. Those before it are all in field. */
static enum octet
name_octet(struct header *h, char c)
{
	const struct sbuf *f = &h->field;
	bool first = f->len == 0;

	if (c == '\n' && (first || (f->len == 1 && f->s[0] == '\r')))
		return OCTET_EMPTY_LINE;
	if (c == '\r' && first)
		goto taken;
	if (f->len == HEADER_KEPT || (!first && f->s[0] == '\r'))
		return OCTET_NO_FIELD;
	if (c == ':' && !first) {
		h->name_len = f->len;
		goto taken;
	}
	/* Blanks before the colon are obsolete, but RFC 5322 4.5 has them. */
	if (ascii_isblank(c) && !first)
		goto taken;
	if (c <= ' ' || c > '~' || c == ':' ||
	    (!first && ascii_isblank(f->s[f->len - 1])))
		return OCTET_NO_FIELD;
taken:
	header_keep(h, &c, 1);
	return OCTET_TAKEN;
}

/*
 * The line that began is of the body: what this push has taken of it, which
 * is all that it took, is given back (less when there was no memory for it).
 */
static enum header_event
not_a_field(struct header *h, size_t *used)
{
	size_t back = h->field.len < *used ? h->field.len : *used;

	*used -= back;
	sbuf_truncate(&h->field, h->field.len - back);
	h->done = true;
	return HEADER_END;
}

static enum header_event
empty_line(struct header *h, size_t *used)
{
	++*used;
	sbuf_reset(&h->field);
	h->done = h->ended = true;
	return HEADER_END;
}

enum header_event
header_push(struct header *h, struct span in, size_t *used)
{
	struct span rest;
	size_t n;

	*used = 0;
	if (h->done)
		return HEADER_END;
	if (h->given)
		next_field(h);
	while ((rest = span_skip(in, *used)).n > 0) {
		if (h->complete && !ascii_isblank(rest.p[0])) {
			h->given = true;
			return HEADER_FIELD;
		}
		h->complete = false;
		if (h->name_len > 0) {
			n = span_find(rest, '\n');
			h->complete = n < rest.n;
			n += h->complete;
			header_keep(h, rest.p, n);
			*used += n;
			continue;
		}
		switch (name_octet(h, rest.p[0])) {
		case OCTET_TAKEN:
			++*used;
			break;
		case OCTET_EMPTY_LINE:
			return empty_line(h, used);
		case OCTET_NO_FIELD:
			return not_a_field(h, used);
		}
	}
	return HEADER_MORE;
}

enum header_event
header_finish(struct header *h)
{
	if (h->done)
		return HEADER_END;
	if (h->given)
		next_field(h);
	if (h->name_len > 0) {
		h->given = true;
		return HEADER_FIELD;
	}
	h->done = true;
	return HEADER_END;
}

void
header_walk_start(struct header_walk *w, struct span section)
{
	header_init(&w->header);
	w->rest = section;
}

bool
header_walk_next(struct header_walk *w, struct span *field)
{
	enum header_event e;
	size_t used;

	e = header_push(&w->header, w->rest, &used);
	if (e == HEADER_MORE)
		e = header_finish(&w->header);
	if (e != HEADER_FIELD || w->header.field.bad)
		return false;
	*field = span_of(w->rest.p, used);
	w->rest = span_skip(w->rest, used);
	return true;
}

void
header_walk_stop(struct header_walk *w)
{
	header_free(&w->header);
}

struct span
header_name(const struct header *h)
{
	return span_trim(span_of(h->field.s, h->name_len));
}

struct span
header_value(struct header *h)
{
	char *s = h->field.s;
	size_t from = h->name_len + 1, to = from;

	if (from > h->field.len) /* there was no memory for it */
		return span_of(s, 0);
	for (; from < h->field.len; from++) {
		bool last = from + 1 == h->field.len;

		if (s[from] == '\n' ||
		    (s[from] == '\r' && (last || s[from + 1] == '\n')))
			continue;
		s[to++] = s[from];
	}
	sbuf_truncate(&h->field, to);
	return span_trim(span_skip(sbuf_span(&h->field), h->name_len + 1));
}

/* --- fields that we are given ---------------------------------------------- */

static bool
is_printable_line(struct span line)
{
	bool blank = true;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if ((c < ' ' || c > '~') && c != '\t')
			return false;
		blank = blank && ascii_isblank(c);
	}
	return !blank && line.n <= HEADER_LINE_MAX;
}

/* Takes one line off *rest; false when it is not whole or not printable. */
static bool
header_take_line(struct span *rest, struct span *line)
{
	if (span_find(*rest, '\n') == rest->n)
		return false;
	*line = span_cut(rest, '\n');
	if (line->n == 0 || line->p[line->n - 1] != '\r')
		return false;
	line->n--;
	return is_printable_line(*line);
}

static bool
begins_field(struct span line)
{
	size_t colon = span_find(line, ':');

	return colon > 0 && colon < line.n && span_find(line, ' ') > colon &&
	    span_find(line, '\t') > colon;
}

bool
header_is_fields(struct span lines)
{
	struct span line;

	if (lines.n == 0 || ascii_isblank(lines.p[0]))
		return false;
	while (lines.n > 0) {
		if (!header_take_line(&lines, &line))
			return false;
		if (!ascii_isblank(line.p[0]) && !begins_field(line))
			return false;
	}
	return true;
}
