/* SPDX-License-Identifier: ISC */
/* A push machine that cuts what a client sends into command lines. */
#include "command.h"

static enum command_event
judge(struct span line)
{
	if (span_find(line, '\0') < line.n)
		return COMMAND_NUL;
	if (span_find(line, '\r') < line.n)
		return COMMAND_BARE_CR;
	if (span_find(line, '\n') < line.n)
		return COMMAND_BARE_LF;
	return COMMAND_LINE;
}

/* How long may the line be that begins like this? */
static size_t
limit(const struct command *c, struct span start)
{
	if (c->sasl || span_istarts(start, SPAN("AUTH ")))
		return COMMAND_SASL_MAX;
	return span_istarts(start, SPAN("MAIL ")) ? COMMAND_MAIL_MAX :
						    COMMAND_MAX;
}

static enum command_event
finish(struct command *c, struct span whole, struct span *line)
{
	/* What is left of one that was cut may look like another command. */
	bool lengthy = c->skipped > 0 || whole.n > limit(c, whole);

	*c = (struct command){ 0 };
	if (lengthy)
		return COMMAND_LONG;
	*line = span_of(whole.p, whole.n - 2);
	return judge(*line);
}

/*
 * Too long already: let it go, but for a CR whose LF may come. The true end
 * must still be found, or the tail of the line would be a command.
 */
static enum command_event
skip(struct command *c, struct span in, size_t *used)
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
			return finish(c, span_of(in.p, at + 1), line);
		}
	}
	if (in.n == 0 || (c->skipped == 0 && in.n <= limit(c, in)))
		return COMMAND_MORE;
	return skip(c, in, used);
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
