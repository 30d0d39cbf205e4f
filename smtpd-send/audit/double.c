/* SPDX-License-Identifier: ISC */
/* More ends than recipients: which kind of double is it? */
#include "ledger-parts.h"

/* What smtpd-local says of a file that is there already. */
#define AGAIN "250 2.0.0 Delivered by an earlier attempt"

static bool
is_again(const struct line *line)
{
	struct span value;

	return line_get(line, "user", &value) &&
	    line_get(line, "reply", &value) && span_eq(value, SPAN(AGAIN));
}

void
ledger_add_double(struct ledger *l, const struct mailid *id,
    const struct line *line, unsigned had, unsigned end)
{
	struct findings *f = &l->findings;
	struct span who = SPAN("");

	(void)line_get(line, "rcpt", &who);
	if (end == END_DELIVERED && is_again(line))
		l->totals.again++;
	else if (end == END_DELIVERED && (had & END_DELIVERED) != 0)
		finding_add(f, FINDING_TWICE, id, who, "delivered once more");
	else if (((had | end) & END_REMOVED) != 0)
		return; /* killed while it obeyed: it does so again */
	else if ((end & END_TOLD) != 0 && (had & END_TOLD) != 0)
		finding_add(f, FINDING_TOLD_TWICE, id, who,
		    "its sender was told once more");
	else
		finding_add(f, FINDING_BOTH, id, who,
		    "delivered, and its sender was told that it was not");
}

void
ledger_add_late(struct ledger *l, const struct mailid *id,
    const struct line *line, uint32_t n, unsigned end)
{
	const struct mailset_entry *e = mailset_find(&l->finished, id);
	struct span who = SPAN("");

	if (e != NULL && n < e->flags >> LEDGER_END_BITS) {
		ledger_add_double(l, id, line, e->flags, end);
		return;
	}
	if (extent_is_partial(&l->extent, id))
		return; /* the line of the alias is there no more */
	(void)line_get(line, "rcpt", &who);
	finding_add(&l->findings, FINDING_UNACCEPTED, id, who,
	    "recipient %u is none of its own", n + 1);
}
