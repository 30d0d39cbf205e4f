/* SPDX-License-Identifier: ISC */
/* What the log says: each message that was accepted, and its end. */
#include "logged.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

/* The flags of a finished message: all ends there were, how many numbers. */
#define END_BITS 5

/* --- problems -------------------------------------------------------------- */

static const char *const problem_names[] = {
	[PROBLEM_LOST] = "lost",
	[PROBLEM_UNTOLD] = "untold",
	[PROBLEM_UNLOGGED] = "unlogged",
	[PROBLEM_DAMAGED] = "damaged",
	[PROBLEM_GAP] = "gap",
	[PROBLEM_TWICE] = "twice",
	[PROBLEM_TOLD_TWICE] = "told-twice",
	[PROBLEM_BOTH] = "both",
	[PROBLEM_UNACCEPTED] = "unaccepted",
};

void
problem_add(struct problems *p, enum problem what, const struct mailid *id,
    struct span who, const char *fmt, ...)
{
	char text[QUEUE_ID_SIZE] = "-";
	va_list ap;

	p->count[what]++;
	if (id != NULL)
		mailid_text(id, text);
	(void)printf("%-10s  %s", problem_names[what], text);
	if (who.n > 0)
		(void)printf("  %.*s", (int)who.n, who.p);
	(void)printf(": ");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

void
problem_print(const struct problems *p)
{
	for (size_t i = 0; i < PROBLEMS; i++)
		(void)printf("%-10s  %llu\n", problem_names[i],
		    (unsigned long long)p->count[i]);
}

int
problem_status(const struct problems *p)
{
	for (size_t i = 0; i < PROBLEMS; i++)
		if (p->count[i] > 0)
			return i < PROBLEM_TWICE ? 1 : 2;
	return 0;
}

/* --- messages that are done with ------------------------------------------ */

static struct mailset_entry *
mailset_place(const struct mailset *s, const struct mailid *id)
{
	size_t i = mailid_hash(id);

	for (;; i++) {
		struct mailset_entry *e = &s->entries[i & (s->size - 1)];

		if (e->time == 0 ||
		    (e->time == id->time && e->random == id->random))
			return e;
	}
}

struct mailset_entry *
mailset_find(const struct mailset *s, const struct mailid *id)
{
	struct mailset_entry *e = s->size > 0 ? mailset_place(s, id) : NULL;

	return e != NULL && e->time != 0 ? e : NULL;
}

static void
mailset_grow(struct mailset *s)
{
	struct mailset old = *s;

	s->size = old.size > 0 ? 2 * old.size : 1024;
	s->entries = calloc(s->size, sizeof(*s->entries));
	if (s->entries == NULL)
		die_sys(EXIT_TEMP, "no memory for %zu messages", s->size);
	for (size_t i = 0; i < old.size; i++) {
		const struct mailset_entry *e = &old.entries[i];
		const struct mailid id = { e->time, e->random };

		if (e->time != 0)
			*mailset_place(s, &id) = *e;
	}
	free(old.entries);
}

/* Adds one that is not in it. */
static void
mailset_add(struct mailset *s, const struct mailid *id, uint32_t flags)
{
	if (s->used >= s->size / 4 * 3)
		mailset_grow(s);
	*mailset_place(s, id) = (struct mailset_entry){ id->time, id->random,
		flags };
	s->used++;
}

/* --- how far back the log reaches ------------------------------------------ */

/* An id is older than the acceptance, and ids come in another order. */
#define SLACK (60 * 1000000U)

static void
reach_init(struct reach *r)
{
	*r = (struct reach){ .file = -1,
		.in = UINT64_MAX,
		.user = UINT64_MAX,
		.own = UINT64_MAX,
		.ends = UINT64_MAX };
}

static void
reach_lower(uint64_t *t, uint64_t to)
{
	if (to < *t)
		*t = to;
}

static void
reach_acceptance(struct reach *r, const struct mailid *id,
    const struct line *line)
{
	struct span entrance = SPAN("");

	if (r->first == 0) {
		r->first = id->time;
		if (r->empty)
			r->in = r->user = r->own = 0;
	}
	(void)line_get(line, "entrance", &entrance);
	if (span_eq(entrance, SPAN("own")))
		reach_lower(&r->own, r->first);
	else if (span_eq(entrance, SPAN("user")))
		reach_lower(&r->user, r->first);
	else
		reach_lower(&r->in, r->first);
}

/*
 * A file that begins with acceptances has the ends of those. If it begins with
 * something that was done, older ends may have been thrown away.
 */
static void
reach_deed(struct reach *r, const struct mailid *id, const struct line *line)
{
	uint64_t ms = 0;

	if (!line_number(line, "delay_ms", UINT32_MAX, &ms) &&
	    !line_number(line, "age_ms", UINT32_MAX, &ms))
		return;
	r->sends = true;
	reach_lower(&r->ends, r->first != 0 ? 0 : id->time + ms * 1000);
}

static void
reach_file(struct reach *r, int file)
{
	r->file = file;
	r->first = 0;
	r->sends = r->empty = false;
}

/* A scheduler that starts with an empty queue: no message can be older. */
static void
reach_start(struct reach *r, const struct line *line)
{
	uint64_t n;

	if (line_is(line, "smtpd-send", "started") &&
	    line_number(line, "messages", UINT64_MAX, &n))
		r->empty = n == 0 && r->first == 0;
}

static void
reach_line(struct reach *r, const struct mailid *id, const struct line *line,
    int file)
{
	if (file != r->file)
		reach_file(r, file);
	if (id == NULL) {
		reach_start(r, line);
		return;
	}
	if (line_is(line, "smtpd-queue", "queued"))
		reach_acceptance(r, id, line);
	else if (!r->sends && span_eq(line->prog, SPAN("smtpd-send")))
		reach_deed(r, id, line);
}

static uint64_t
reach_later(uint64_t a, uint64_t b)
{
	if (a == UINT64_MAX || b == UINT64_MAX)
		return a < b ? a : b;
	return a > b ? a : b;
}

bool
reach_is_before(const struct reach *r, const struct mailid *id)
{
	uint64_t begin = reach_later(reach_later(r->in, r->user), r->own);

	return begin == UINT64_MAX || id->time < begin + SLACK;
}

bool
reach_is_before_notices(const struct reach *r, const struct mailid *id)
{
	return r->own != UINT64_MAX ? id->time < r->own + SLACK :
				      reach_is_before(r, id);
}

bool
reach_is_partial(const struct reach *r, const struct mailid *id)
{
	return r->ends != UINT64_MAX && id->time < r->ends;
}

/* --- the recipients of a message ------------------------------------------- */

/* The alias whose number n is, or whose others include it. */
static const struct logged_alias *
logged_find_alias(const struct logged_mail *m, uint32_t n)
{
	for (uint32_t i = 0; i < m->naliases; i++) {
		const struct logged_alias *e = &m->aliases[i];

		if (n == e->number ||
		    (n >= e->others && n - e->others < e->count - 1))
			return e;
	}
	return NULL;
}

bool
logged_has(const struct logged_mail *m, uint32_t n)
{
	return n < m->nrcpt || logged_find_alias(m, n) != NULL;
}

unsigned
logged_end(const struct logged_mail *m, uint32_t n)
{
	return n < m->nends ? m->ends[n] : 0;
}

uint32_t
logged_numbers(const struct logged_mail *m)
{
	uint32_t end = m->nrcpt > m->nends ? m->nrcpt : m->nends;

	for (uint32_t i = 0; i < m->naliases; i++) {
		const struct logged_alias *e = &m->aliases[i];

		if (e->count > 1 && e->others + e->count - 1 > end)
			end = e->others + e->count - 1;
	}
	return end;
}

struct span
logged_address(const struct logged_mail *m, uint32_t n)
{
	const struct logged_alias *e = logged_find_alias(m, n);
	struct span rest = span_str(m->to != NULL ? m->to : "");

	if (e != NULL)
		n = e->number;
	while (n-- > 0)
		(void)span_cut(&rest, '\n');
	return span_cut(&rest, '\n');
}

bool
logged_is_complete(const struct logged_mail *m)
{
	if (!m->accepted || m->ended != m->expected)
		return false;
	for (uint32_t n = 0, end = logged_numbers(m); n < end; n++)
		if (logged_end(m, n) == 0 && logged_has(m, n))
			return false;
	return true;
}

static void
logged_count_end(struct logged_totals *t, unsigned end)
{
	if ((end & END_DELIVERED) != 0)
		t->delivered++;
	else if ((end & END_DROPPED) != 0)
		t->dropped++;
	else if ((end & END_BOUNCED) != 0)
		t->bounced++;
	else if ((end & END_EXPIRED) != 0)
		t->expired++;
	else if ((end & END_REMOVED) != 0)
		t->discarded++;
}

void
logged_count(struct logged *l, const struct logged_mail *m)
{
	l->totals.messages++;
	l->totals.recipients += m->expected;
	for (uint32_t n = 0, end = logged_numbers(m); n < end; n++)
		if (logged_has(m, n))
			logged_count_end(&l->totals, logged_end(m, n));
}

/* --- the table of messages ------------------------------------------------- */

static void *
logged_need(void *p)
{
	if (p == NULL)
		die_sys(EXIT_TEMP, "no memory");
	return p;
}

void
logged_init(struct logged *l)
{
	*l = (struct logged){ .nbuckets = 1024 };
	reach_init(&l->reach);
	l->buckets = logged_need(calloc(l->nbuckets,
	    sizeof(struct logged_mail *)));
}

static struct logged_mail **
logged_bucket(const struct logged *l, const struct mailid *id)
{
	return &l->buckets[mailid_hash(id) & (l->nbuckets - 1)];
}

static struct logged_mail **
logged_place(const struct logged *l, const struct mailid *id)
{
	struct logged_mail **p = logged_bucket(l, id);

	while (*p != NULL && !mailid_eq(&(*p)->id, id))
		p = &(*p)->next;
	return p;
}

struct logged_mail *
logged_find(const struct logged *l, const struct mailid *id)
{
	return *logged_place(l, id);
}

static void
logged_grow(struct logged *l)
{
	struct logged old = *l;

	l->nbuckets *= 2;
	l->buckets = logged_need(calloc(l->nbuckets,
	    sizeof(struct logged_mail *)));
	for (size_t i = 0; i < old.nbuckets; i++)
		for (struct logged_mail *m = old.buckets[i], *next; m != NULL;
		     m = next) {
			struct logged_mail **p = logged_bucket(l, &m->id);

			next = m->next;
			m->next = *p;
			*p = m;
		}
	free(old.buckets);
}

static struct logged_mail *
logged_open(struct logged *l, const struct mailid *id)
{
	struct logged_mail **p = logged_place(l, id), *m = *p;

	if (m != NULL || mailset_find(&l->finished, id) != NULL)
		return m;
	if (l->nmails >= l->nbuckets) {
		logged_grow(l);
		p = logged_place(l, id);
	}
	m = logged_need(calloc(1, sizeof(*m)));
	m->id = *id;
	*p = m;
	l->nmails++;
	return m;
}

static void
logged_forget(struct logged *l, struct logged_mail *m)
{
	*logged_place(l, &m->id) = m->next;
	l->nmails--;
	free(m->to);
	free(m->ends);
	free(m->aliases);
	free(m);
}

/* A message that is settled in every respect takes no more room than its id. */
static void
logged_settle(struct logged *l, struct logged_mail *m)
{
	unsigned ends = 0;

	if (m->is_notice && !m->named)
		return;
	if (!logged_is_complete(m))
		return;
	for (uint32_t n = 0; n < m->nends; n++)
		ends |= logged_end(m, n);
	if ((ends & END_DROPPED) != 0 && !(m->dropped && m->null_sender))
		return;
	logged_count(l, m);
	mailset_add(&l->finished, &m->id, ends | logged_numbers(m) << END_BITS);
	logged_forget(l, m);
}

/* --- more ends than recipients --------------------------------------------- */

/* The reply of smtpd-local if the file is there already. */
#define AGAIN "250 2.0.0 Delivered by an earlier attempt"

static bool
is_again(const struct line *line)
{
	struct span value;

	return line_get(line, "user", &value) &&
	    line_get(line, "reply", &value) && span_eq(value, SPAN(AGAIN));
}

static void
logged_add_double(struct logged *l, const struct mailid *id,
    const struct line *line, unsigned had, unsigned end)
{
	struct problems *p = &l->problems;
	struct span who = SPAN("");

	(void)line_get(line, "rcpt", &who);
	if (end == END_DELIVERED && is_again(line))
		l->totals.again++;
	else if (end == END_DELIVERED && (had & END_DELIVERED) != 0)
		problem_add(p, PROBLEM_TWICE, id, who, "delivered again");
	else if (((had | end) & END_REMOVED) != 0)
		return; /* killed while it removed it: it does so again */
	else if ((end & END_TOLD) != 0 && (had & END_TOLD) != 0)
		problem_add(p, PROBLEM_TOLD_TWICE, id, who,
		    "its sender was told again");
	else
		problem_add(p, PROBLEM_BOTH, id, who,
		    "delivered, and its sender was told that it was not");
}

static void
logged_add_late(struct logged *l, const struct mailid *id,
    const struct line *line, uint32_t n, unsigned end)
{
	const struct mailset_entry *e = mailset_find(&l->finished, id);
	struct span who = SPAN("");

	if (e != NULL && n < e->flags >> END_BITS) {
		logged_add_double(l, id, line, e->flags, end);
		return;
	}
	if (reach_is_partial(&l->reach, id))
		return; /* the line of the alias is no longer there */
	(void)line_get(line, "rcpt", &who);
	problem_add(&l->problems, PROBLEM_UNACCEPTED, id, who,
	    "it has no recipient %u", n + 1);
}

/* --- the lines ------------------------------------------------------------- */

#define NUMBER_MAX 1000000 /* of a recipient: far above JOB_RCPTS_MAX */

static void
logged_take_recipients(struct logged_mail *m, const struct line *line)
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
		m->to = logged_need(strdup(to.s));
	sbuf_free(&to);
}

static bool
logged_take_accepted(struct logged *l, const struct mailid *id,
    const struct line *line)
{
	struct logged_mail *m = logged_open(l, id);
	struct span value;
	uint64_t n;

	if (!line_number(line, "nrcpt", QUEUE_RCPTS_MAX, &n))
		return false;
	if (m == NULL || m->accepted) {
		problem_add(&l->problems, PROBLEM_UNACCEPTED, id, SPAN(""),
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
	logged_take_recipients(m, line);
	/*
	 * What has ends already is read out of order, and the line of an alias
	 * may come yet: it stays open.
	 */
	if (m->ended == 0)
		logged_settle(l, m);
	return true;
}

/* A notice is accepted before it is named; but files come in any order. */
static void
logged_name_notice(struct logged *l, const struct line *line,
    const struct mailid *about)
{
	struct mailid id;
	struct span value;
	struct logged_mail *m;

	if (!line_get(line, "notice", &value) || !mailid_parse(value, &id))
		return;
	m = logged_open(l, &id);
	if (m == NULL)
		return;
	m->named = true;
	m->about = *about;
	logged_settle(l, m);
}

static void
logged_set_end(struct logged_mail *m, uint32_t n, unsigned end)
{
	if (n >= m->nends) {
		m->ends = logged_need(realloc(m->ends, n + 1));
		memset(m->ends + m->nends, 0, n + 1 - m->nends);
		m->nends = n + 1;
	}
	m->ended += m->ends[n] == 0;
	m->ends[n] |= (uint8_t)end;
}

static bool
logged_take_end(struct logged *l, const struct mailid *id,
    const struct line *line, unsigned end)
{
	struct span notice;
	struct logged_mail *m;
	uint64_t n;

	if (!line_number(line, "n", NUMBER_MAX, &n))
		return false;
	if (line_get(line, "notice", &notice) && span_eq(notice, SPAN("-")))
		end = END_DROPPED;
	if ((end & END_TOLD) != 0)
		logged_name_notice(l, line, id);
	m = logged_open(l, id);
	if (m == NULL) {
		logged_add_late(l, id, line, (uint32_t)n, end);
		return true;
	}
	if (logged_end(m, (uint32_t)n) != 0)
		logged_add_double(l, id, line, logged_end(m, (uint32_t)n), end);
	logged_set_end(m, (uint32_t)n, end);
	logged_settle(l, m);
	return true;
}

static void
logged_add_alias(struct logged_mail *m, const struct logged_alias *e)
{
	uint32_t i = 0;

	while (i < m->naliases && m->aliases[i].number != e->number)
		i++;
	if (i == m->naliases) {
		m->aliases = logged_need(reallocarray(m->aliases, i + 1,
		    sizeof(*e)));
		m->naliases++;
	} else {
		m->expected -= m->aliases[i].count - 1;
	}
	m->aliases[i] = *e;
	m->expected += e->count - 1;
}

static bool
logged_take_expansion(struct logged *l, const struct mailid *id,
    const struct line *line)
{
	uint64_t n, count, others = 0;
	struct logged_mail *m;

	if (!line_number(line, "n", QUEUE_RCPTS_MAX - 1, &n) ||
	    !line_number(line, "rcpts", NUMBER_MAX, &count) || count == 0 ||
	    (count > 1 && !line_number(line, "others", NUMBER_MAX, &others)))
		return false;
	m = logged_open(l, id);
	if (m != NULL)
		logged_add_alias(m,
		    &(struct logged_alias){ .number = (uint32_t)n,
			.others = (uint32_t)others,
			.count = (uint32_t)count });
	return true;
}

static bool
logged_take_notice(struct logged *l, const struct mailid *id,
    const struct line *line)
{
	struct span kind;
	struct logged_mail *m;

	if (!line_get(line, "kind", &kind))
		return false;
	if (line_is(line, "smtpd-bounce", "dropped")) {
		m = logged_open(l, id);
		if (m != NULL) {
			m->dropped = true;
			logged_settle(l, m);
		}
	} else if (!span_eq(kind, SPAN("failed"))) {
		logged_name_notice(l, line, id); /* the end of nobody */
	}
	return true;
}

static bool
logged_take_removal(struct logged *l, const struct mailid *id)
{
	struct logged_mail *m = logged_open(l, id);

	if (m != NULL)
		m->removed = true;
	return true;
}

/* False: it lacks what its event must say. */
static bool
logged_take_event(struct logged *l, const struct mailid *id,
    const struct line *line)
{
	if (line_is(line, "smtpd-queue", "queued"))
		return logged_take_accepted(l, id, line);
	if (line_is(line, "smtpd-send", "delivered"))
		return logged_take_end(l, id, line, END_DELIVERED);
	if (line_is(line, "smtpd-send", "bounced"))
		return logged_take_end(l, id, line, END_BOUNCED);
	if (line_is(line, "smtpd-send", "expired"))
		return logged_take_end(l, id, line, END_EXPIRED);
	if (line_is(line, "smtpd-send", "discarded"))
		return logged_take_end(l, id, line, END_REMOVED);
	if (line_is(line, "smtpd-send", "expanded"))
		return logged_take_expansion(l, id, line);
	if (line_is(line, "smtpd-send", "removed"))
		return logged_take_removal(l, id);
	if (line_is(line, "smtpd-bounce", "notice") ||
	    line_is(line, "smtpd-bounce", "dropped"))
		return logged_take_notice(l, id, line);
	return true;
}

static void
logged_gap_line(struct logged *l, const struct line *line, uint64_t lost)
{
	problem_add(&l->problems, PROBLEM_GAP, NULL, line->prog,
	    "%llu lines before this one were lost: %.*s",
	    (unsigned long long)lost, (int)line->event.n, line->event.p);
}

/* The beginning of it; it may hold anything. */
static void
logged_damaged_line(struct logged *l, struct span text)
{
	char shown[61];
	size_t n = 0;

	for (; n < text.n && n < sizeof(shown) - 1; n++)
		shown[n] = text.p[n] < ' ' || text.p[n] > '~' ? '?' : text.p[n];
	shown[n] = '\0';
	problem_add(&l->problems, PROBLEM_GAP, NULL, SPAN(""),
	    "a line is incomplete: %s", shown);
}

void
logged_line(void *logged, struct span text, int file)
{
	struct logged *l = logged;
	enum line_kind kind;
	struct mailid id;
	struct line line;
	uint64_t lost;

	kind = line_parse(text, &line);
	if (kind == LINE_OTHER)
		return;
	if (kind == LINE_EVENT && line_number(&line, "lost", UINT64_MAX, &lost))
		logged_gap_line(l, &line, lost);
	if (kind == LINE_EVENT && mailid_parse(line.id, &id)) {
		reach_line(&l->reach, &id, &line, file);
		if (logged_take_event(l, &id, &line))
			return;
	}
	if (kind == LINE_EVENT && span_eq(line.id, SPAN("-"))) {
		reach_line(&l->reach, NULL, &line, file);
		return;
	}
	logged_damaged_line(l, text);
}
