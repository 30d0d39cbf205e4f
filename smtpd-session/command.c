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

static enum command_event
finish(struct command *c, struct span whole, struct span *line)
{
	bool lengthy = c->skipped + whole.n > COMMAND_MAX;

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
	if (in.n == 0 || (c->skipped == 0 && in.n <= COMMAND_MAX))
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
