/* SPDX-License-Identifier: ISC */
/* What each line of the log enters into the books. */
#include <stdlib.h>

#include "ledger-parts.h"
#include "log.h"

#define NUMBER_MAX 1000000 /* of a recipient: far above JOB_RCPTS_MAX */

static void
take_recipients(struct mail *m, const struct line *line)
{
	struct span rest = line->fields, name, value;
	struct sbuf to;

	sbuf_init(&to, 65536);
	while (line_next(&rest, &name, &value))
		if (span_eq(name, SPAN("to"))) {
			sbuf_addspan(&to, value);
			sbuf_putc(&to, '\n');
		}
	if (to.len > 0)
		m->to = ledger_need(strdup(to.s));
	sbuf_free(&to);
}

static bool
take_accepted(struct ledger *l, const struct mailid *id,
    const struct line *line)
{
	struct mail *m = ledger_open(l, id);
	struct span value;
	uint64_t n;

	if (!line_number(line, "nrcpt", QUEUE_RCPTS_MAX, &n))
		return false;
	if (m == NULL || m->accepted) {
		finding_add(&l->findings, FINDING_UNACCEPTED, id, SPAN(""),
		    "the log says more than once that it was accepted");
		return true;
	}
	m->accepted = true;
	m->nrcpt = (uint32_t)n;
	m->expected += m->nrcpt;
	m->null_sender = line_get(line, "from", &value) &&
	    span_eq(value, SPAN("<>"));
	if (line_get(line, "about", &value) && mailid_parse(value, &m->about))
		m->is_notice = line_get(line, "entrance", &value) &&
		    span_eq(value, SPAN("own"));
	take_recipients(m, line);
	/*
	 * What has ends already is read out of order, and the line of an alias
	 * may come yet: it stays open.
	 */
	if (m->ended == 0)
		ledger_settle(l, m);
	return true;
}

/* Notices are accepted before anybody names them; but files have any order. */
static void
name_notice(struct ledger *l, const struct line *line,
    const struct mailid *about)
{
	struct mailid id;
	struct span value;
	struct mail *m;

	if (!line_get(line, "notice", &value) || !mailid_parse(value, &id))
		return;
	m = ledger_open(l, &id);
	if (m == NULL)
		return;
	m->named = true;
	m->about = *about;
	ledger_settle(l, m);
}

static void
set_end(struct mail *m, uint32_t n, unsigned end)
{
	if (n >= m->nends) {
		m->ends = ledger_need(realloc(m->ends, n + 1));
		memset(m->ends + m->nends, 0, n + 1 - m->nends);
		m->nends = n + 1;
	}
	m->ended += m->ends[n] == 0;
	m->ends[n] |= (uint8_t)end;
}

static bool
take_end(struct ledger *l, const struct mailid *id, const struct line *line,
    unsigned end)
{
	struct span notice;
	struct mail *m;
	uint64_t n;

	if (!line_number(line, "n", NUMBER_MAX, &n))
		return false;
	if (line_get(line, "notice", &notice) && span_eq(notice, SPAN("-")))
		end = END_DROPPED;
	if ((end & END_TOLD) != 0)
		name_notice(l, line, id);
	m = ledger_open(l, id);
	if (m == NULL) {
		ledger_add_late(l, id, line, (uint32_t)n, end);
		return true;
	}
	if (mail_end(m, (uint32_t)n) != 0)
		ledger_add_double(l, id, line, mail_end(m, (uint32_t)n), end);
	set_end(m, (uint32_t)n, end);
	ledger_settle(l, m);
	return true;
}

static void
add_expansion(struct mail *m, const struct expansion *e)
{
	uint32_t i = 0;

	while (i < m->nexpansions && m->expansions[i].origin != e->origin)
		i++;
	if (i == m->nexpansions) {
		m->expansions = ledger_need(reallocarray(m->expansions, i + 1,
		    sizeof(*e)));
		m->nexpansions++;
	} else {
		m->expected -= m->expansions[i].count - 1;
	}
	m->expansions[i] = *e;
	m->expected += e->count - 1;
}

static bool
take_expansion(struct ledger *l, const struct mailid *id,
    const struct line *line)
{
	uint64_t n, count, others = 0;
	struct mail *m;

	if (!line_number(line, "n", QUEUE_RCPTS_MAX - 1, &n) ||
	    !line_number(line, "rcpts", NUMBER_MAX, &count) || count == 0 ||
	    (count > 1 && !line_number(line, "others", NUMBER_MAX, &others)))
		return false;
	m = ledger_open(l, id);
	if (m != NULL)
		add_expansion(m,
		    &(struct expansion){ .origin = (uint32_t)n,
			.others = (uint32_t)others,
			.count = (uint32_t)count });
	return true;
}

static bool
take_notice(struct ledger *l, const struct mailid *id, const struct line *line)
{
	struct span kind;
	struct mail *m;

	if (!line_get(line, "kind", &kind))
		return false;
	if (line_is(line, "smtpd-bounce", "dropped")) {
		m = ledger_open(l, id);
		if (m != NULL) {
			m->dropped = true;
			ledger_settle(l, m);
		}
	} else if (!span_eq(kind, SPAN("failed"))) {
		name_notice(l, line, id); /* the end of nobody */
	}
	return true;
}

static bool
take_removal(struct ledger *l, const struct mailid *id)
{
	struct mail *m = ledger_open(l, id);

	if (m != NULL)
		m->removed = true;
	return true;
}

/* False: it lacks what its event must say. */
static bool
take_event(struct ledger *l, const struct mailid *id, const struct line *line)
{
	if (line_is(line, "smtpd-queue", "queued"))
		return take_accepted(l, id, line);
	if (line_is(line, "smtpd-send", "delivered"))
		return take_end(l, id, line, END_DELIVERED);
	if (line_is(line, "smtpd-send", "bounced"))
		return take_end(l, id, line, END_BOUNCED);
	if (line_is(line, "smtpd-send", "expired"))
		return take_end(l, id, line, END_EXPIRED);
	if (line_is(line, "smtpd-send", "discarded"))
		return take_end(l, id, line, END_REMOVED);
	if (line_is(line, "smtpd-send", "expanded"))
		return take_expansion(l, id, line);
	if (line_is(line, "smtpd-send", "removed"))
		return take_removal(l, id);
	if (line_is(line, "smtpd-bounce", "notice") ||
	    line_is(line, "smtpd-bounce", "dropped"))
		return take_notice(l, id, line);
	return true;
}

static void
add_gap(struct ledger *l, const struct line *line, uint64_t lost)
{
	finding_add(&l->findings, FINDING_GAP, NULL, line->prog,
	    "%llu lines before this one were lost: %.*s",
	    (unsigned long long)lost, (int)line->event.n, line->event.p);
}

/* The beginning of it; it may hold anything. */
static void
add_damaged(struct ledger *l, struct span text)
{
	char shown[61];
	size_t n = 0;

	for (; n < text.n && n < sizeof(shown) - 1; n++)
		shown[n] = text.p[n] < ' ' || text.p[n] > '~' ? '?' : text.p[n];
	shown[n] = '\0';
	finding_add(&l->findings, FINDING_GAP, NULL, SPAN(""),
	    "a line that is not whole: %s", shown);
}

void
ledger_line(void *ledger, struct span text, int file)
{
	struct ledger *l = ledger;
	enum line_kind kind;
	struct mailid id;
	struct line line;
	uint64_t lost;

	kind = line_parse(text, &line);
	if (kind == LINE_OTHER)
		return;
	if (kind == LINE_EVENT && line_number(&line, "lost", UINT64_MAX, &lost))
		add_gap(l, &line, lost);
	if (kind == LINE_EVENT && mailid_parse(line.id, &id)) {
		extent_take(&l->extent, &id, &line, file);
		if (take_event(l, &id, &line))
			return;
	}
	if (kind == LINE_EVENT && span_eq(line.id, SPAN("-"))) {
		extent_take(&l->extent, NULL, &line, file);
		return;
	}
	add_damaged(l, text);
}
