/* SPDX-License-Identifier: ISC */
/* What an adviser would have changed of a message, checked against its rights. */
#include "changes.h"

#include "header.h"

#define LIST_MAX (CHANGES_MAX * sizeof(struct change))

static const struct {
	const char *word;
	enum changes_right right;
} rights[] = {
	{ "delete", CHANGES_DELETE },
	{ "put", CHANGES_PUT },
	{ "top", CHANGES_TOP },
	{ "mark", CHANGES_MARK },
	{ "refuse", CHANGES_REFUSE },
	{ "ask", CHANGES_ASK },
};

static bool
find_right(struct span word, unsigned *all)
{
	for (size_t i = 0; i < nitems(rights); i++) {
		if (span_eq(word, span_str(rights[i].word))) {
			*all |= (unsigned)rights[i].right;
			return true;
		}
	}
	return false;
}

bool
changes_rights(struct span words, unsigned *all)
{
	*all = 0;
	if (words.n > 0 && words.p[words.n - 1] == ',')
		return false;
	while (words.n > 0)
		if (!find_right(span_cut(&words, ','), all))
			return false;
	return true;
}

void
changes_init(struct changes *c)
{
	*c = (struct changes){ 0 };
	sbuf_init(&c->list, LIST_MAX);
	sbuf_init(&c->octets, CHANGES_PUT_MAX);
	sbuf_init(&c->frames, CHANGES_TOP_MAX);
}

void
changes_free(struct changes *c)
{
	sbuf_free(&c->list);
	sbuf_free(&c->octets);
	sbuf_free(&c->frames);
}

void
changes_reset(struct changes *c, unsigned all, uint64_t length)
{
	c->rights = all;
	c->length = length;
	c->end = 0;
	c->n = c->deleted = c->put = c->top = 0;
	c->junk = false;
	c->why = NULL;
	sbuf_reset(&c->list);
	sbuf_reset(&c->octets);
	sbuf_reset(&c->frames);
}

struct change
changes_get(const struct changes *c, unsigned i)
{
	struct change one;

	memcpy(&one, c->list.s + i * sizeof(one), sizeof(one));
	return one;
}

static bool
fail(struct changes *c, const char *why)
{
	c->why = why;
	return false;
}

static bool
may(struct changes *c, enum changes_right right)
{
	return (c->rights & (unsigned)right) != 0 ||
	    fail(c, "a change that it has no right to");
}

/* One more, behind the last. */
static bool
add(struct changes *c, const struct change *one)
{
	if (c->n == CHANGES_MAX)
		return fail(c, "too many changes");
	if (one->at < c->end || one->at > c->length ||
	    one->deleted > c->length - one->at)
		return fail(c, "a change out of order or outside the text");
	sbuf_add(&c->list, one, sizeof(*one));
	if (c->list.bad)
		return fail(c, "no memory");
	c->n++;
	c->end = one->at + one->deleted;
	return true;
}

bool
changes_delete(struct changes *c, uint64_t at, uint64_t length)
{
	struct change one = {
		.at = at, .deleted = length, .put = c->octets.len
	};

	c->deleted++;
	return add(c, &one);
}

static bool
take_deletion(struct changes *c, struct span s)
{
	struct span word = span_cut(&s, ' ');
	uint64_t at, length;

	if (!may(c, CHANGES_DELETE))
		return false;
	if (!span_u64(word, UINT64_MAX, &at) ||
	    !span_u64(s, UINT64_MAX, &length) || length == 0)
		return fail(c, "a malformed deletion");
	return changes_delete(c, at, length);
}

/* An insertion may come in pieces, which count as one. */
static bool
is_next_piece(const struct changes *c, uint64_t at)
{
	struct change last;

	if (c->n == 0)
		return false;
	last = changes_get(c, c->n - 1);
	return last.at == at && last.put_len > 0;
}

static bool
add_piece(struct changes *c, size_t n)
{
	struct change last = changes_get(c, c->n - 1);
	size_t size = sizeof(last);

	last.put_len += n;
	memcpy(c->list.s + (c->n - 1) * size, &last, size);
	return true;
}

static bool
take_insertion(struct changes *c, struct span s)
{
	struct span at = span_cut(&s, ' ');
	struct change one = { .put = c->octets.len, .put_len = s.n };

	if (!may(c, CHANGES_PUT))
		return false;
	if (!span_u64(at, UINT64_MAX, &one.at) || s.n == 0)
		return fail(c, "a malformed insertion");
	if (s.n > CHANGES_PUT_MAX - c->octets.len)
		return fail(c, "too many octets to put");
	sbuf_addspan(&c->octets, s);
	if (c->octets.bad)
		return fail(c, "no memory");
	if (is_next_piece(c, one.at))
		return add_piece(c, s.n);
	c->put++;
	return add(c, &one);
}

static bool
keep_frame(struct changes *c, const struct frame *f)
{
	frame_add(&c->frames, f->tag, f->payload);
	return !c->frames.bad || fail(c, "too many or too large fields on top");
}

static bool
take_top(struct changes *c, const struct frame *f)
{
	if (!may(c, CHANGES_TOP))
		return false;
	if (!header_is_fields(f->payload))
		return fail(c, "a header field that is not whole or printable");
	c->top++;
	return keep_frame(c, f);
}

static bool
take_mark(struct changes *c, const struct frame *f)
{
	if (!may(c, CHANGES_MARK))
		return false;
	if (!span_eq(f->payload, SPAN("junk")))
		return fail(c, "an unknown mark");
	if (c->junk)
		return true;
	c->junk = true;
	return keep_frame(c, f);
}

bool
changes_take(struct changes *c, const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return take_deletion(c, f->payload);
	case 'P':
		return take_insertion(c, f->payload);
	case 'H':
		return take_top(c, f);
	case 'M':
		return take_mark(c, f);
	default:
		return ascii_lower(f->tag) == f->tag ||
		    fail(c, "a frame that is no answer");
	}
}
