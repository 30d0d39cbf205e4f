/* SPDX-License-Identifier: ISC */
/* The message that sendmail was given, and its recipients. */
#include "sendmail-letter.h"

#include <errno.h>
#include <unistd.h>

#include "address.h"
#include "addrlist.h"
#include "header.h"
#include "queuefile.h"

#define RECIPIENT_MAX 1024 /* more than any address has */
#define RECIPIENTS_SIZE (QUEUE_RCPTS_MAX * (ADDRESS_PATH_MAX + 1))

/* --- its text ---------------------------------------------------------------- */

static enum letter_result
letter_end_line(struct letter_lines *t, struct sbuf *out)
{
	if (t->at == LETTER_AT_DOT) {
		if (t->dot_ends)
			return LETTER_END;
		sbuf_putc(out, '.');
	}
	sbuf_addspan(out, SPAN("\r\n"));
	t->at = LETTER_AT_START;
	t->cr = false;
	return LETTER_OK;
}

/* Octets up to the next special one, in one piece. */
static size_t
letter_add_run(struct letter_lines *t, struct span in, struct sbuf *out)
{
	size_t n = 0;

	if (t->at == LETTER_AT_START && in.p[0] == '.') {
		t->at = LETTER_AT_DOT;
		return 1;
	}
	while (n < in.n && in.p[n] != '\n' && in.p[n] != '\r' &&
	    in.p[n] != '\0')
		n++;
	if (t->at == LETTER_AT_DOT)
		sbuf_putc(out, '.');
	sbuf_add(out, in.p, n);
	t->at = LETTER_IN_LINE;
	return n;
}

enum letter_result
letter_push(struct letter_lines *t, struct span in, struct sbuf *out)
{
	while (in.n > 0) {
		char c = in.p[0];
		size_t n = 1;

		if (t->cr && c != '\n')
			return LETTER_BARE_CR;
		if (c == '\0')
			return LETTER_NUL;
		if (c == '\r')
			t->cr = true;
		else if (c != '\n')
			n = letter_add_run(t, in, out);
		else if (letter_end_line(t, out) == LETTER_END)
			return LETTER_END;
		in = span_skip(in, n);
	}
	return LETTER_OK;
}

enum letter_result
letter_finish(struct letter_lines *t, struct sbuf *out)
{
	if (t->cr)
		return LETTER_BARE_CR;
	return t->at == LETTER_AT_START ? LETTER_OK : letter_end_line(t, out);
}

/* The first line of an mbox file is not a header field. */
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
	struct letter_lines t = { .dot_ends = dot_ends };
	enum letter_result r = LETTER_OK;
	ssize_t n = 1;

	while (n != 0 && r == LETTER_OK && !text->bad) {
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			r = letter_push(&t, span_of(buf, (size_t)n), text);
		else if (n == -1 && errno != EINTR)
			return LETTER_IOERR;
	}
	if (r == LETTER_OK)
		r = letter_finish(&t, text);
	/* A growing string stops at its limit, or for lack of memory. */
	if (text->bad)
		return text->max - text->len < 65536 ? LETTER_TOO_BIG :
						       LETTER_NO_MEMORY;
	if (r == LETTER_END)
		r = LETTER_OK;
	if (r == LETTER_OK)
		drop_from_line(text);
	return r;
}

/* --- its recipients -------------------------------------------------------- */

void
letter_recipients_init(struct recipients *r, const char *domains)
{
	r->domain = domains;
	r->n = 0;
	sbuf_init(&r->all, RECIPIENTS_SIZE);
	sbuf_init(&r->one, RECIPIENT_MAX);
	sbuf_init(&r->bad, RECIPIENT_MAX);
}

struct span
letter_recipients_next(struct span *rest)
{
	return span_cut(rest, '\n');
}

static bool
recipients_has(const struct recipients *r, struct span one)
{
	struct span rest = sbuf_span(&r->all), other;

	while ((other = letter_recipients_next(&rest)).n > 0) {
		if (span_eq(other, one))
			return true;
	}
	return false;
}

/* Makes one an address, if need be with our domain. */
static bool
recipients_qualify(struct recipients *r)
{
	struct span domains = span_str(r->domain);
	struct address a;

	if (address_mailbox(sbuf_span(&r->one), &a) == ADDRESS_OK)
		return true;
	sbuf_putc(&r->one, '@');
	sbuf_addspan(&r->one, span_word(&domains));
	return !r->one.bad &&
	    address_mailbox(sbuf_span(&r->one), &a) == ADDRESS_OK;
}

static enum recipients_result
recipients_add_one(struct recipients *r)
{
	if (!recipients_qualify(r))
		return RECIPIENTS_BAD;
	if (recipients_has(r, sbuf_span(&r->one)))
		return RECIPIENTS_OK;
	if (r->n == QUEUE_RCPTS_MAX)
		return RECIPIENTS_TOO_MANY;
	r->n++;
	sbuf_addspan(&r->all, sbuf_span(&r->one));
	sbuf_putc(&r->all, '\n');
	return r->all.bad ? RECIPIENTS_NO_MEMORY : RECIPIENTS_OK;
}

static enum recipients_result
recipients_bad(struct recipients *r, struct span list, struct span rest)
{
	struct span from = span_trim(list);

	/* What was read so far: it ends in the error, or behind it. */
	from.n = (size_t)(rest.p - from.p) < from.n ?
	    (size_t)(rest.p - from.p) :
	    from.n;
	if (from.n > RECIPIENT_MAX / 8)
		from = span_skip(from, from.n - RECIPIENT_MAX / 8);
	sbuf_reset(&r->bad);
	sbuf_addspan(&r->bad, from);
	return RECIPIENTS_BAD;
}

enum recipients_result
letter_recipients_add(struct recipients *r, struct span list)
{
	struct addrlist l;

	addrlist_init(&l, list);
	for (;;) {
		enum recipients_result result = RECIPIENTS_BAD;

		switch (addrlist_next(&l, &r->one)) {
		case ADDRLIST_END:
			return RECIPIENTS_OK;
		case ADDRLIST_ADDRESS:
			result = recipients_add_one(r);
			break;
		case ADDRLIST_BAD:
			break;
		}
		if (result == RECIPIENTS_BAD)
			return recipients_bad(r, list, l.rest);
		if (result != RECIPIENTS_OK)
			return result;
	}
}

/* --- recipients out of its header ------------------------------------------ */

/* Fields by their meaning here; FIELD_RESENT is added to a Resent- one. */
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

#define RECIPIENT_FIELDS ((unsigned)(FIELD_TO | FIELD_CC | FIELD_BCC))

static bool
is_resent(const struct sbuf *text)
{
	struct header_walk w;
	bool found = false;
	struct span raw;

	header_walk_start(&w, sbuf_span(text));
	while (!found && header_walk_next(&w, &raw)) {
		unsigned field = field_of(header_name(&w.header));

		found = (field & FIELD_RESENT) != 0 &&
		    (field & RECIPIENT_FIELDS) != 0;
	}
	header_walk_stop(&w);
	return found;
}

struct choice {
	bool resent; /* there are Resent- recipients */
	bool block_over;
	unsigned seen; /* Resent- fields of the first block */
};

/*
 * Each resending adds a block of Resent- fields on top, in which each name
 * occurs once (RFC 5322 3.6.6): the first repeated name begins an older block,
 * whose recipients have already received the message.
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

/* The fields that stay move up; the walk is past them. */
enum recipients_result
letter_take_recipients(struct sbuf *text, struct recipients *to)
{
	struct choice c = { .resent = is_resent(text) };
	enum recipients_result r = RECIPIENTS_OK;
	struct header_walk w;
	size_t kept = 0, end = 0;
	struct span raw;

	header_walk_start(&w, sbuf_span(text));
	while (r == RECIPIENTS_OK && header_walk_next(&w, &raw)) {
		unsigned field = field_of(header_name(&w.header));

		if (is_chosen(&c, field))
			r = letter_recipients_add(to,
			    span_skip(raw, span_find(raw, ':') + 1));
		end = (size_t)(raw.p + raw.n - text->s);
		if ((field & FIELD_BCC) == 0) {
			memmove(text->s + kept, raw.p, raw.n);
			kept += raw.n;
		}
	}
	if (w.header.field.bad)
		r = RECIPIENTS_NO_MEMORY; /* a Bcc might be left */
	header_walk_stop(&w);
	memmove(text->s + kept, text->s + end, text->len - end);
	sbuf_truncate(text, text->len - (end - kept));
	return r;
}
