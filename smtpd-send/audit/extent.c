/* SPDX-License-Identifier: ISC */
/* How far back the log reaches: what is older cannot be judged by it. */
#include "ledger.h"

/* Ids are older than their acceptance, and do not come in its order. */
#define SLACK (60 * 1000000U)

void
extent_init(struct extent *e)
{
	*e = (struct extent){ .file = -1,
		.in = UINT64_MAX,
		.user = UINT64_MAX,
		.own = UINT64_MAX,
		.ends = UINT64_MAX };
}

static void
lower(uint64_t *t, uint64_t to)
{
	if (to < *t)
		*t = to;
}

static void
take_acceptance(struct extent *e, const struct mailid *id,
    const struct line *line)
{
	struct span entrance = SPAN("");

	if (e->first == 0) {
		e->first = id->time;
		if (e->empty)
			e->in = e->user = e->own = 0;
	}
	(void)line_get(line, "entrance", &entrance);
	if (span_eq(entrance, SPAN("own")))
		lower(&e->own, e->first);
	else if (span_eq(entrance, SPAN("user")))
		lower(&e->user, e->first);
	else
		lower(&e->in, e->first);
}

/*
 * A file that begins with acceptances has the ends of those; in one that
 * begins with something that was done, older ends may have been thrown away.
 */
static void
take_deed(struct extent *e, const struct mailid *id, const struct line *line)
{
	uint64_t ms = 0;

	if (!line_number(line, "delay_ms", UINT32_MAX, &ms) &&
	    !line_number(line, "age_ms", UINT32_MAX, &ms))
		return;
	e->sends = true;
	lower(&e->ends, e->first != 0 ? 0 : id->time + ms * 1000);
}

static void
begin_file(struct extent *e, int file)
{
	e->file = file;
	e->first = 0;
	e->sends = e->empty = false;
}

/* Of no message: a scheduler that finds none leaves nothing to be older. */
static void
take_start(struct extent *e, const struct line *line)
{
	uint64_t n;

	if (line_is(line, "smtpd-send", "started") &&
	    line_number(line, "messages", UINT64_MAX, &n))
		e->empty = n == 0 && e->first == 0;
}

void
extent_take(struct extent *e, const struct mailid *id, const struct line *line,
    int file)
{
	if (file != e->file)
		begin_file(e, file);
	if (id == NULL) {
		take_start(e, line);
		return;
	}
	if (line_is(line, "smtpd-queue", "queued"))
		take_acceptance(e, id, line);
	else if (!e->sends && span_eq(line->prog, SPAN("smtpd-send")))
		take_deed(e, id, line);
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	if (a == UINT64_MAX || b == UINT64_MAX)
		return a < b ? a : b;
	return a > b ? a : b;
}

bool
extent_is_before(const struct extent *e, const struct mailid *id)
{
	uint64_t begin = later(later(e->in, e->user), e->own);

	return begin == UINT64_MAX || id->time < begin + SLACK;
}

bool
extent_is_before_notices(const struct extent *e, const struct mailid *id)
{
	return e->own != UINT64_MAX ? id->time < e->own + SLACK :
				      extent_is_before(e, id);
}

bool
extent_is_partial(const struct extent *e, const struct mailid *id)
{
	return e->ends != UINT64_MAX && id->time < e->ends;
}
