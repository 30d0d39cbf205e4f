/* SPDX-License-Identifier: ISC */
/* The message that sendmail was given on its standard input. */
#include "letter.h"

#include <errno.h>
#include <unistd.h>

#include "header.h"
#include "text.h"

static enum letter_result
result_of(enum text_event e, const struct sbuf *text)
{
	/* A growing string stops at its limit, or for lack of memory. */
	if (text->bad)
		return text->max - text->len < 65536 ? LETTER_TOO_BIG :
						       LETTER_NO_MEMORY;
	switch (e) {
	case TEXT_BARE_CR:
		return LETTER_BARE_CR;
	case TEXT_NUL:
		return LETTER_NUL;
	case TEXT_MORE:
	case TEXT_END:
		break;
	}
	return LETTER_OK;
}

/* What mbox files have on top is no header field. */
static void
drop_from_line(struct sbuf *text)
{
	size_t n = span_find(sbuf_span(text), '\n');

	if (!span_starts(sbuf_span(text), SPAN("From ")) || n == text->len)
		return;
	memmove(text->s, text->s + n + 1, text->len - n - 1);
	sbuf_truncate(text, text->len - n - 1);
}

enum letter_result
letter_read(struct sbuf *text, int fd, bool dot_ends)
{
	static char buf[32768];
	struct text t = { .dot_ends = dot_ends };
	enum text_event e = TEXT_MORE;
	ssize_t n = 1;

	while (n != 0 && e == TEXT_MORE && !text->bad) {
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			e = text_push(&t, span_of(buf, (size_t)n), text);
		else if (n == -1 && errno != EINTR)
			return LETTER_IOERR;
	}
	if (e == TEXT_MORE)
		e = text_finish(&t, text);
	if (result_of(e, text) == LETTER_OK)
		drop_from_line(text);
	return result_of(e, text);
}

/* Fields by what they mean here; the Resent- ones have bits of their own. */
enum field {
	FIELD_TO = 1,
	FIELD_CC = 2,
	FIELD_BCC = 4,
	FIELD_DATE = 8,
	FIELD_FROM = 16,
	FIELD_SENDER = 32,
	FIELD_ID = 64,
	FIELD_RESENT = 128,
	FIELD_NONE = 0
};

static unsigned
field_of(struct span name)
{
	static const struct {
		const char *name;
		enum field bit;
	} names[] = {
		{ "To", FIELD_TO },
		{ "Cc", FIELD_CC },
		{ "Bcc", FIELD_BCC },
		{ "Date", FIELD_DATE },
		{ "From", FIELD_FROM },
		{ "Sender", FIELD_SENDER },
		{ "Message-ID", FIELD_ID },
	};
	struct span resent = SPAN("Resent-");
	bool is_resent = span_istarts(name, resent);

	name = span_skip(name, is_resent ? resent.n : 0);
	for (size_t i = 0; i < nitems(names); i++) {
		if (span_ieq(name, span_str(names[i].name)))
			return (unsigned)names[i].bit |
			    (is_resent ? FIELD_RESENT : 0U);
	}
	return FIELD_NONE;
}

/* The fields of a message, one after the other. */
struct fields {
	struct header header;
	size_t at;
};

/* raw: the whole field as it stands in the text. */
static bool
next_field(struct fields *f, const struct sbuf *text, struct span *raw)
{
	enum header_event e;

	do {
		struct span in = span_skip(sbuf_span(text), f->at);
		size_t used = 0;

		e = in.n > 0 ? header_push(&f->header, in, &used) :
			       header_finish(&f->header);
		f->at += used;
	} while (e == HEADER_MORE);
	if (e == HEADER_END)
		return false;
	*raw = span_of(text->s + f->at - f->header.length, f->header.length);
	return true;
}

#define RECIPIENT_FIELDS ((unsigned)(FIELD_TO | FIELD_CC | FIELD_BCC))

static bool
is_resent(const struct sbuf *text)
{
	struct fields f = { .at = 0 };
	bool found = false;
	struct span raw;

	header_init(&f.header);
	while (!found && next_field(&f, text, &raw)) {
		unsigned field = field_of(header_name(&f.header));

		found = (field & FIELD_RESENT) != 0 &&
		    (field & RECIPIENT_FIELDS) != 0;
	}
	header_free(&f.header);
	return found;
}

struct choice {
	bool resent; /* there are Resent- recipients */
	bool block_over;
	unsigned seen; /* Resent- fields of the first block */
};

/*
 * Each resending puts a block of Resent- fields on top, in which a name
 * stands once (RFC 5322 3.6.6): the first that repeats begins an older block,
 * whose recipients have had the message.
 */
static bool
is_chosen(struct choice *c, unsigned field)
{
	bool resent = (field & FIELD_RESENT) != 0;

	if (resent) {
		field &= ~(unsigned)FIELD_RESENT;
		c->block_over = c->block_over || (c->seen & field) != 0;
		c->seen |= field;
	}
	return (field & RECIPIENT_FIELDS) != 0 && resent == c->resent &&
	    !(resent && c->block_over);
}

/* The fields that stay move up; each has been looked at before. */
enum recipients_result
letter_recipients(struct sbuf *text, struct recipients *to)
{
	struct choice c = { .resent = is_resent(text) };
	enum recipients_result r = RECIPIENTS_OK;
	struct fields f = { .at = 0 };
	size_t kept = 0, end = 0;
	struct span raw;

	header_init(&f.header);
	while (r == RECIPIENTS_OK && next_field(&f, text, &raw)) {
		unsigned field = field_of(header_name(&f.header));

		if (f.header.field.bad) {
			/* It might be a Bcc that we cannot name. */
			r = RECIPIENTS_NO_MEMORY;
			break;
		}
		if (is_chosen(&c, field))
			r = recipients_add(to,
			    span_skip(raw, span_find(raw, ':') + 1));
		end = f.at;
		if ((field & FIELD_BCC) == 0) {
			memmove(text->s + kept, raw.p, raw.n);
			kept += raw.n;
		}
	}
	header_free(&f.header);
	memmove(text->s + kept, text->s + end, text->len - end);
	sbuf_truncate(text, text->len - (end - kept));
	return r;
}
