/* SPDX-License-Identifier: ISC */
/* The messages in the queue: chosen, grouped, and printed as text or JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl-message.h"

/* --- text ------------------------------------------------------------------- */

/* Nothing that a terminal obeys. */
static void
put_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool fine = s.p[i] >= ' ' && s.p[i] <= '~';

		(void)putchar(fine ? s.p[i] : s.p[i] == '\n' ? ' ' : '?');
	}
}

/* With what goes before it, unless it is empty. */
static void
put_after(const char *before, struct span s)
{
	if (s.n == 0)
		return;
	(void)printf("%s", before);
	put_text(s);
}

static void
put_time(uint64_t s)
{
	static const struct {
		uint64_t seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	while (i < nitems(units) - 1 && s < units[i].seconds)
		i++;
	(void)printf("%" PRIu64 "%c", s / units[i].seconds, units[i].name);
}

static void
put_rcpt(const struct ctl_rcpt *r)
{
	put_after("    ", r->path);
	put_after("  ", r->destination);
	if (!span_eq(r->state, SPAN("waiting")))
		put_after("  ", r->state);
	if (r->reply.n > 0)
		put_after("\n        ", r->host);
	put_after(r->host.n > 0 ? ": " : "\n        ", r->reply);
	(void)putchar('\n');
}

static void
put_head(const struct ctl_message *m)
{
	(void)printf("%s  %" PRIu64 " octets, ", m->q.id, m->q.file.body_len);
	put_time(ctl_age(m->queue, m->q.id));
	(void)printf(" old, %" PRIu32 " %s, ", m->q.tries,
	    m->q.tries == 1 ? "try" : "tries");
	if (m->next == UINT64_MAX || !span_eq(m->state, SPAN("waiting"))) {
		put_text(m->state);
	} else {
		(void)printf("next in ");
		put_time(m->next);
	}
	put_after("  ", m->sender);
	put_after("\n    (", m->reason);
	(void)printf(m->reason.n > 0 ? ")\n" : "\n");
}

/* The next of the facts of its acceptance; *pos starts at 0. */
static bool
next_fact(const struct ctl_message *m, size_t *pos, struct span *fact)
{
	struct frame f = { .tag = 0 };

	while (queuefile_next(&m->q.file, pos, &f))
		if (f.tag == 'C') {
			*fact = f.payload;
			return true;
		}
	return false;
}

/* to: only the recipients at that destination; or NULL. */
static void
put_message(struct ctl_message *m, const char *to, bool all)
{
	struct ctl_rcpt r;
	struct span fact;
	size_t pos = 0;

	put_head(m);
	while (all && next_fact(m, &pos, &fact)) {
		put_after("    ", fact);
		(void)putchar('\n');
	}
	for (size_t i = 0; ctl_rcpt_next(m, &i, all, &r);)
		if (to == NULL || span_eq(r.destination, span_str(to)))
			put_rcpt(&r);
}

/* --- JSON (RFC 8259), in ASCII ---------------------------------------------- */

#define NO_CHARACTER 0xfffdU /* for an octet that is not part of one */

static void
json_character(uint32_t c)
{
	if (c == '"' || c == '\\')
		(void)printf("\\%c", (char)c);
	else if (c >= ' ' && c <= '~')
		(void)putchar((int)c);
	else if (c < 0x10000)
		(void)printf("\\u%04x", (unsigned)c);
	else
		(void)printf("\\u%04x\\u%04x",
		    (unsigned)(0xd800 + ((c - 0x10000) >> 10)),
		    (unsigned)(0xdc00 + ((c - 0x10000) & 0x3ff)));
}

static void
json_string(struct span s)
{
	uint32_t c;
	size_t n;

	(void)putchar('"');
	while (s.n > 0) {
		n = span_utf8(s, &c);
		json_character(n > 0 ? c : NO_CHARACTER);
		s = span_skip(s, n > 0 ? n : 1);
	}
	(void)putchar('"');
}

/* With what goes before it; empty is null. */
static void
json_after(const char *before, struct span s)
{
	(void)printf("%s", before);
	if (s.n == 0)
		(void)printf("null");
	else
		json_string(s);
}

static struct span
without_brackets(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' && path.p[path.n - 1] == '>' ?
	    span_of(path.p + 1, path.n - 2) :
	    path;
}

static void
json_rcpt(const struct ctl_rcpt *r)
{
	(void)printf("{\"address\":");
	json_string(without_brackets(r->path));
	json_after(",\"destination\":", r->destination);
	json_after(",\"host\":", r->host);
	json_after(",\"reply\":", r->reply);
	json_after(",\"state\":", r->state);
	(void)putchar('}');
}

static void
json_facts(const struct ctl_message *m)
{
	struct span fact;
	size_t pos = 0, i = 0;

	while (next_fact(m, &pos, &fact)) {
		(void)printf(i++ == 0 ? ",\"facts\":[" : ",");
		json_string(fact);
	}
	if (i > 0)
		(void)putchar(']');
}

static void
json_message(struct ctl_message *m, bool all)
{
	struct ctl_rcpt r;
	size_t n = 0;

	json_after("{\"id\":", span_str(m->q.id));
	(void)printf(",\"sender\":");
	json_string(without_brackets(m->sender));
	(void)printf(",\"size\":%" PRIu64 ",\"age\":%" PRIu64
		     ",\"tries\":%" PRIu32 ",\"next\":",
	    m->q.file.body_len, ctl_age(m->queue, m->q.id), m->q.tries);
	(void)printf(m->next == UINT64_MAX ? "null" : "%" PRIu64, m->next);
	json_after(",\"state\":", m->state);
	json_after(",\"reason\":", m->reason);
	if (all)
		json_facts(m);
	(void)printf(",\"recipients\":[");
	for (size_t i = 0; ctl_rcpt_next(m, &i, all, &r);) {
		(void)printf(n++ > 0 ? "," : "");
		json_rcpt(&r);
	}
	(void)printf("]}");
}

/* --- choosing --------------------------------------------------------------- */

struct ctl_list {
	const struct ctl_queue *queue;
	const struct ctl_choice *choice;
	struct ctl_table rows; /* for groups: what a message is sorted by */
	const char *to; /* print only the recipients at that destination */
	size_t printed;
};

static bool
goes_to(struct ctl_message *m, const char *to)
{
	struct ctl_rcpt r;

	for (size_t i = 0; ctl_rcpt_next(m, &i, false, &r);)
		if (ctl_rcpt_fits(&r, span_str(to)))
			return true;
	return false;
}

static bool
comes_from(struct span sender, struct span from)
{
	return span_ieq(without_brackets(sender), without_brackets(from)) ||
	    (sender.n > 2 && span_ieq(ctl_domain(sender), from));
}

static bool
ctl_is_chosen(const struct ctl_choice *c, struct ctl_message *m)
{
	return (c->to == NULL || goes_to(m, c->to)) &&
	    (c->from == NULL || comes_from(m->sender, span_str(c->from)));
}

/* Calls each for those that are chosen, oldest first. */
static bool
choose_each(struct ctl_list *l,
    bool (*each)(struct ctl_list *, struct ctl_message *))
{
	struct ctl_message m;
	struct sbuf ids;
	bool ok = queued_list(l->queue->dir, &ids);

	for (size_t at = 0; ok && at < ids.len; at += QUEUE_ID_SIZE) {
		enum queued_result r;

		if (ctl_age(l->queue, ids.s + at) < l->choice->older)
			continue;
		r = ctl_message_read(l->queue, ids.s + at, &m);
		ok = r != QUEUED_IOERR;
		if (r != QUEUED_OK)
			continue;
		if (ctl_is_chosen(l->choice, &m))
			ok = each(l, &m);
		ctl_message_free(&m);
	}
	sbuf_free(&ids);
	return ok;
}

static bool
ctl_print_message(struct ctl_list *l, struct ctl_message *m)
{
	if (l->choice->json) {
		(void)printf(l->printed > 0 ? ",\n" : "\n");
		json_message(m, false);
	} else {
		put_message(m, l->to, false);
	}
	l->printed++;
	return true;
}

/* --- grouped: the ids and what they are sorted by --------------------------- */

static const char *
key_of(const struct ctl_table *t, size_t row)
{
	return t->text.s + t->rows[row].at;
}

static bool
row_add(struct ctl_table *t, const char *id, struct span key)
{
	return ctl_table_row(t, id) && ctl_table_string(t, key);
}

/* One for each of the message's destinations. */
static bool
add_destinations(struct ctl_table *t, struct ctl_message *m)
{
	size_t first = t->n, k;
	struct ctl_rcpt r;

	for (size_t i = 0; ctl_rcpt_next(m, &i, false, &r);) {
		if (r.destination.n == 0)
			r.destination = SPAN("-");
		for (k = first; k < t->n; k++)
			if (span_eq(span_str(key_of(t, k)), r.destination))
				break;
		if (k == t->n && !row_add(t, m->q.id, r.destination))
			return false;
	}
	return t->n > first || row_add(t, m->q.id, SPAN(""));
}

static bool
add_rows(struct ctl_list *l, struct ctl_message *m)
{
	if (l->choice->by == CTL_BY_DESTINATION)
		return add_destinations(&l->rows, m);
	return row_add(&l->rows, m->q.id,
	    l->choice->by == CTL_BY_SENDER ? m->sender : SPAN(""));
}

static int
compare_rows(const void *a, const void *b, void *text)
{
	const struct ctl_row *x = a, *y = b;
	int c = strcmp((char *)text + x->at, (char *)text + y->at);

	return c != 0 ? c : strcmp(x->id, y->id);
}

/* The ages that are counted: as long, or longer, to the next one. */
static const struct {
	uint64_t from;
	const char *name;
} ages[] = {
	{ 0, "5m" },
	{ 300, "15m" },
	{ 900, "1h" },
	{ 3600, "4h" },
	{ 14400, "1d" },
	{ 86400, "older" },
};

struct ctl_group {
	const char *key;
	size_t n, by_age[nitems(ages)];
	uint64_t oldest;
};

/* The rows of one key, from row i on. */
static struct ctl_group
count_group(const struct ctl_list *l, size_t i)
{
	const struct ctl_table *t = &l->rows;
	struct ctl_group g = { .key = key_of(t, i) };

	for (; i < t->n && strcmp(key_of(t, i), g.key) == 0; i++) {
		uint64_t s = ctl_age(l->queue, t->rows[i].id);
		size_t k = nitems(ages) - 1;

		while (s < ages[k].from)
			k--;
		g.by_age[k]++;
		g.n++;
		if (s > g.oldest)
			g.oldest = s;
	}
	return g;
}

static void
put_group(const struct ctl_group *g)
{
	(void)printf("%7zu", g->n);
	for (size_t i = 0; i < nitems(ages); i++)
		(void)printf(" %6zu", g->by_age[i]);
	(void)printf("  ");
	put_text(span_str(g->key));
	(void)putchar('\n');
}

static void
put_groups(const struct ctl_list *l)
{
	struct ctl_group g;

	(void)printf("%7s", "all");
	for (size_t i = 0; i < nitems(ages); i++)
		(void)printf(" %6s", ages[i].name);
	(void)putchar('\n');
	for (size_t i = 0; i < l->rows.n; i += g.n) {
		g = count_group(l, i);
		put_group(&g);
	}
}

static void
json_groups(const struct ctl_list *l)
{
	struct ctl_group g;

	for (size_t i = 0; i < l->rows.n; i += g.n) {
		g = count_group(l, i);
		(void)printf("%s{\"messages\":%zu,\"oldest\":%" PRIu64
			     ",\"name\":",
		    i > 0 ? "," : "", g.n, g.oldest);
		json_string(span_str(g.key));
		(void)putchar('}');
	}
}

/* Each message once more, in the order of the rows; some may have gone. */
static bool
list_rows(struct ctl_list *l)
{
	struct ctl_group g = { .n = 0 };
	size_t group_end = 0;
	struct ctl_message m;
	enum queued_result r;

	for (size_t i = 0; i < l->rows.n; i++) {
		if (i == group_end) {
			g = count_group(l, i);
			group_end = i + g.n;
			if (!l->choice->json) {
				(void)printf(i > 0 ? "\n" : "");
				put_text(span_str(g.key));
				(void)printf(": %zu\n", g.n);
			}
			if (l->choice->by == CTL_BY_DESTINATION)
				l->to = g.key;
		}
		r = ctl_message_read(l->queue, l->rows.rows[i].id, &m);
		if (r == QUEUED_IOERR)
			return false;
		if (r != QUEUED_OK)
			continue;
		(void)ctl_print_message(l, &m);
		ctl_message_free(&m);
	}
	return true;
}

static bool
list_grouped(struct ctl_list *l)
{
	struct ctl_table *t = &l->rows;

	if (!choose_each(l, add_rows))
		return false;
	if (t->n > 0)
		qsort_r(t->rows, t->n, sizeof(*t->rows), compare_rows,
		    t->text.s);
	if (!l->choice->count)
		return list_rows(l);
	if (l->choice->json)
		json_groups(l);
	else
		put_groups(l);
	return true;
}

/* --- the two commands ------------------------------------------------------- */

static void
list_end(const struct ctl_list *l)
{
	if (l->choice->json && l->choice->count)
		(void)printf("]}\n");
	else if (l->choice->json)
		(void)printf("\n],\"count\":%zu}\n", l->printed);
	else if (l->printed == 0 && !l->choice->count)
		(void)printf("The queue is empty\n");
}

bool
ctl_list(struct ctl_queue *c, const struct ctl_choice *choice)
{
	struct ctl_list l = { .queue = c, .choice = choice };
	bool ok = ctl_queue_begin(c);

	if (ok && choice->json)
		(void)printf("{\"%s\":[",
		    choice->count ? "groups" : "messages");
	ctl_table_init(&l.rows);
	if (ok && choice->by == CTL_BY_AGE && !choice->count)
		ok = choose_each(&l, ctl_print_message);
	else if (ok)
		ok = list_grouped(&l);
	if (ok)
		list_end(&l);
	ctl_table_free(&l.rows);
	return ok;
}

enum queued_result
ctl_show(struct ctl_queue *c, const char *id, bool json)
{
	struct ctl_message m;
	enum queued_result r;

	if (!ctl_queue_begin(c))
		return QUEUED_IOERR;
	r = ctl_message_read(c, id, &m);
	if (r != QUEUED_OK)
		return r;
	if (json) {
		json_message(&m, true);
		(void)putchar('\n');
	} else {
		put_message(&m, NULL, true);
	}
	ctl_message_free(&m);
	return QUEUED_OK;
}
