/* SPDX-License-Identifier: ISC */
/* The wire: a push machine cuts input into commands; replies are written. */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>

#define SIZE_DIGITS 20 /* RFC 1870 section 4 */

static enum command_event
command_judge(struct span line)
{
	if (span_find(line, '\0') < line.n)
		return COMMAND_NUL;
	if (span_find(line, '\r') < line.n)
		return COMMAND_BARE_CR;
	if (span_find(line, '\n') < line.n)
		return COMMAND_BARE_LF;
	return COMMAND_LINE;
}

/* The longest line that may begin like this. */
static size_t
command_limit(const struct command *c, struct span start)
{
	if (c->sasl || span_istarts(start, SPAN("AUTH ")))
		return COMMAND_SASL_MAX;
	return span_istarts(start, SPAN("MAIL ")) ? COMMAND_MAIL_MAX :
						    COMMAND_MAX;
}

static enum command_event
command_finish(struct command *c, struct span whole, struct span *line)
{
	/*
	 * The tail of a line that was discarded may look like another command.
	 */
	bool lengthy = c->skipped > 0 || whole.n > command_limit(c, whole);

	*c = (struct command){ 0 };
	if (lengthy)
		return COMMAND_LONG;
	*line = span_of(whole.p, whole.n - 2);
	return command_judge(*line);
}

/*
 * The line is too long already: discards it, but for a CR whose LF may come.
 * The true end must still be found, or the tail would be a command.
 */
static enum command_event
command_skip(struct command *c, struct span in, size_t *used)
{
	size_t keep = in.p[in.n - 1] == '\r' ? 1 : 0;

	*used = in.n - keep;
	c->skipped += *used;
	c->scanned = keep;
	return c->skipped > COMMAND_PATIENCE ? COMMAND_ENDLESS : COMMAND_MORE;
}

enum command_event
command_push(struct command *c, struct span in, size_t *used, struct span *line)
{
	*used = 0;
	while (c->scanned < in.n) {
		size_t at = c->scanned +
		    span_find(span_skip(in, c->scanned), '\n');

		if (at == in.n) {
			c->scanned = in.n;
			break;
		}
		c->scanned = at + 1;
		if (at > 0 && in.p[at - 1] == '\r') {
			*used = at + 1;
			return command_finish(c, span_of(in.p, at + 1), line);
		}
	}
	if (in.n == 0 || (c->skipped == 0 && in.n <= command_limit(c, in)))
		return COMMAND_MORE;
	return command_skip(c, in, used);
}

void
command_split(struct span line, struct span *verb, struct span *argument)
{
	size_t n = 0;

	while (n < line.n && !ascii_isblank(line.p[n]))
		n++;
	*verb = span_of(line.p, n);
	*argument = span_trim(span_skip(line, n));
}

/* --- parameters of MAIL and RCPT ------------------------------------------ */

/* esmtp-keyword */
static bool
parameter_is_keyword(struct span s)
{
	if (s.n == 0 || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

/* esmtp-value */
static bool
parameter_is_value(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

/* Takes one parameter off *text. False when it is malformed. */
static bool
parameter_next(struct span *text, struct span *keyword, struct span *value)
{
	struct span word = span_word(text);
	bool has_value = span_find(word, '=') < word.n;

	*keyword = span_cut(&word, '=');
	*value = word;
	return parameter_is_keyword(*keyword) &&
	    (!has_value || parameter_is_value(word));
}

/* A size of up to 20 digits may exceed 64 bits; it is too big anyway. */
static bool
parameter_size(struct span value, uint64_t *out)
{
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_isdigit(value.p[i]))
			return false;
	if (value.n == 0 || value.n > SIZE_DIGITS)
		return false;
	if (!span_u64(value, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

/* <> or an xtext: RFC 3461 section 4. The value is never believed. */
static bool
parameter_is_auth(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint64_t octet;

		if (s.p[i] == '+' &&
		    (s.n - i < 3 ||
			!span_hex(span_of(s.p + i + 1, 2), 255, &octet)))
			return false;
	}
	return s.n > 0;
}

static enum parameter_result
parameter_of_mail(struct span keyword, struct span value, struct parameters *p)
{
	if (span_ieq(keyword, SPAN("SIZE"))) {
		if (p->has_size)
			return PARAMETER_TWICE;
		p->has_size = true;
		return parameter_size(value, &p->size) ? PARAMETER_OK :
							 PARAMETER_BAD_SIZE;
	}
	if (span_ieq(keyword, SPAN("BODY"))) {
		if (p->has_body)
			return PARAMETER_TWICE;
		p->has_body = true;
		return span_ieq(value, SPAN("7BIT")) ||
			span_ieq(value, SPAN("8BITMIME")) ?
		    PARAMETER_OK :
		    PARAMETER_BAD_BODY;
	}
	if (span_ieq(keyword, SPAN("AUTH"))) {
		if (p->has_auth)
			return PARAMETER_TWICE;
		p->has_auth = true;
		return parameter_is_auth(value) ? PARAMETER_OK :
						  PARAMETER_BAD_AUTH;
	}
	return PARAMETER_UNKNOWN;
}

enum parameter_result
parameter_mail(struct span text, struct parameters *p)
{
	enum parameter_result r = PARAMETER_OK;
	struct span keyword, value;

	*p = (struct parameters){ 0 };
	for (text = span_trim(text); text.n > 0 && r == PARAMETER_OK;
	     text = span_trim(text))
		r = parameter_next(&text, &keyword, &value) ?
		    parameter_of_mail(keyword, value, p) :
		    PARAMETER_SYNTAX;
	return r;
}

enum parameter_result
parameter_rcpt(struct span text)
{
	struct span keyword, value;

	text = span_trim(text);
	if (text.n == 0)
		return PARAMETER_OK;
	return parameter_next(&text, &keyword, &value) ? PARAMETER_UNKNOWN :
							 PARAMETER_SYNTAX;
}

/* --- replies --------------------------------------------------------------- */

void
reply_init(struct reply *r, int fd, uint64_t patience)
{
	outbuf_init(&r->out, fd, r->mem, sizeof(r->mem));
	r->patience = patience;
	r->broken = false;
	r->refused = 0;
}

static void
reply_add(struct reply *r, const char *s, size_t n)
{
	if (!r->broken &&
	    outbuf_add(&r->out, s, n,
		r->out.cap - r->out.len < n ? clock_in(r->patience) : NEVER) !=
		IO_OK)
		r->broken = true;
}

void
reply(struct reply *r, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int w;

	va_start(ap, fmt);
	w = vsnprintf(r->last, sizeof(r->last), fmt, ap);
	va_end(ap);
	n = w < 0 ? 0 : (size_t)w > REPLY_MAX ? REPLY_MAX : (size_t)w;
	for (size_t i = 0; i < n; i++)
		if (r->last[i] < ' ' || r->last[i] > '~')
			r->last[i] = '?';
	if (r->last[0] == '5')
		r->refused++;
	reply_add(r, r->last, n);
	reply_add(r, "\r\n", 2);
}

void
reply_flush(struct reply *r)
{
	if (r->out.len == 0 || r->broken)
		return;
	if (outbuf_flush(&r->out, clock_in(r->patience)) != IO_OK)
		r->broken = true;
}
