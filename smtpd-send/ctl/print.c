/* SPDX-License-Identifier: ISC */
/* The list of messages, as text for a terminal or as one document of JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"

#define NUMBER_SIZE 24

static struct span
text(const struct report *r, size_t at)
{
	return span_str(r->text.s + at);
}

static uint64_t
age(const struct report *r, const struct mail *m)
{
	return r->now > m->born ? (r->now - m->born) / 1000000 : 0;
}

/* --- text ---------------------------------------------------------------------- */

/* Nothing that a terminal obeys. */
static void
put(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool fine = s.p[i] >= ' ' && s.p[i] <= '~';

		(void)putchar(fine ? s.p[i] : s.p[i] == '\n' ? ' ' : '?');
	}
}

static const char *
in_words(uint64_t s, char out[NUMBER_SIZE])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" } };

	for (size_t i = 0; i < nitems(units); i++) {
		uint64_t unit = units[i].seconds;

		if (s < unit)
			continue;
		(void)snprintf(out, NUMBER_SIZE, "%" PRIu64 "%s", s / unit,
		    units[i].name);
		return out;
	}
	(void)snprintf(out, NUMBER_SIZE, "%" PRIu64 "s", s);
	return out;
}

static void
put_rcpt(const struct report *r, const struct mail_rcpt *p)
{
	(void)printf("    ");
	put(text(r, p->path));
	if (!span_eq(text(r, p->target), SPAN("-"))) {
		(void)printf("  ");
		put(text(r, p->target));
	}
	if (!span_eq(text(r, p->state), SPAN("waiting"))) {
		(void)printf("  ");
		put(text(r, p->state));
	}
	if (p->reply != 0) {
		(void)printf("\n        ");
		if (p->host != 0) {
			put(text(r, p->host));
			(void)printf(": ");
		}
		put(text(r, p->reply));
	}
	(void)putchar('\n');
}

static void
put_head(const struct report *r, const struct mail *m)
{
	char since[NUMBER_SIZE], until[NUMBER_SIZE];

	put(text(r, m->id));
	(void)printf("  %" PRIu64 " octets, %s old, %" PRIu64 " %s, ", m->size,
	    in_words(age(r, m), since), m->tries,
	    m->tries == 1 ? "try" : "tries");
	if (m->next == UINT64_MAX ||
	    !span_eq(text(r, m->state), SPAN("waiting")))
		put(text(r, m->state));
	else
		(void)printf("next in %s", in_words(m->next, until));
	(void)printf("  ");
	put(text(r, m->sender));
	(void)putchar('\n');
	if (m->reason == 0)
		return;
	(void)printf("    (");
	put(text(r, m->reason));
	(void)printf(")\n");
}

static void
put_facts(const struct report *r, const struct mail *m)
{
	size_t at = m->facts;

	for (size_t i = 0; i < m->nfacts; i++, at += text(r, at).n + 1) {
		(void)printf("    ");
		put(text(r, at));
		(void)putchar('\n');
	}
}

/* --- JSON ------------------------------------------------------------------------ */

static void
json_member(const char *name)
{
	(void)printf("\"%s\":", name);
}

static void
json_text(const struct report *r, const char *name, size_t at)
{
	json_member(name);
	if (at == 0)
		(void)printf("null");
	else
		json_string(text(r, at));
	(void)putchar(',');
}

/* Without the angle brackets. */
static void
json_path(const struct report *r, const char *name, size_t at)
{
	struct span s = text(r, at);

	json_member(name);
	if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = span_of(s.p + 1, s.n - 2);
	json_string(s);
	(void)putchar(',');
}

static void
json_rcpt(const struct report *r, const struct mail_rcpt *p)
{
	(void)putchar('{');
	json_path(r, "address", p->path);
	json_text(r, "destination",
	    span_eq(text(r, p->target), SPAN("-")) ? 0 : p->target);
	json_text(r, "host", p->host);
	json_text(r, "reply", p->reply);
	json_member("state");
	json_string(text(r, p->state));
	(void)putchar('}');
}

static void
json_facts(const struct report *r, const struct mail *m)
{
	size_t at = m->facts;

	json_member("facts");
	(void)putchar('[');
	for (size_t i = 0; i < m->nfacts; i++, at += text(r, at).n + 1) {
		if (i > 0)
			(void)putchar(',');
		json_string(text(r, at));
	}
	(void)printf("],");
}

/* With the recipients from first on, n of them. */
static void
json_mail(const struct report *r, const struct mail *m)
{
	(void)putchar('{');
	json_text(r, "id", m->id);
	json_path(r, "sender", m->sender);
	(void)printf("\"size\":%" PRIu64 ",\"age\":%" PRIu64
		     ",\"tries\":%" PRIu64 ",",
	    m->size, age(r, m), m->tries);
	json_member("next");
	if (m->next == UINT64_MAX)
		(void)printf("null,");
	else
		(void)printf("%" PRIu64 ",", m->next);
	json_text(r, "state", m->state);
	json_text(r, "reason", m->reason);
	if (m->nfacts > 0)
		json_facts(r, m);
	json_member("recipients");
	(void)putchar('[');
	for (size_t i = 0; i < m->nrcpts; i++) {
		if (i > 0)
			(void)putchar(',');
		json_rcpt(r, &r->rcpts[m->first + i]);
	}
	(void)printf("]}");
}

void
report_show(const struct report *r, bool json)
{
	for (size_t i = 0; i < r->nmails; i++) {
		const struct mail *m = &r->mails[i];

		if (json) {
			json_mail(r, m);
			(void)putchar('\n');
			continue;
		}
		put_head(r, m);
		put_facts(r, m);
		for (size_t k = 0; k < m->nrcpts; k++)
			put_rcpt(r, &r->rcpts[m->first + k]);
	}
}

/* --- choosing and sorting --------------------------------------------------------- */

struct row {
	const struct report *r;
	const struct mail *m;
	struct span key;
};

static struct span
domain_of(struct span path)
{
	struct span d = span_skip(path, span_rfind(path, '@') + 1);

	if (d.n > 0 && d.p[d.n - 1] == '>')
		d.n--;
	return d;
}

static struct span
bare(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' ?
	    span_of(path.p + 1, path.n - 2) :
	    path;
}

static bool
goes_to(const struct report *r, const struct mail *m, const char *to)
{
	for (size_t i = 0; i < m->nrcpts; i++) {
		const struct mail_rcpt *p = &r->rcpts[m->first + i];

		if (span_ieq(text(r, p->target), span_str(to)) ||
		    span_ieq(domain_of(text(r, p->path)), span_str(to)))
			return true;
	}
	return false;
}

static bool
comes_from(const struct report *r, const struct mail *m, const char *from)
{
	struct span sender = text(r, m->sender);

	return span_ieq(bare(sender), bare(span_str(from))) ||
	    (sender.n > 2 && span_ieq(domain_of(sender), span_str(from)));
}

static bool
is_chosen(const struct report *r, const struct mail *m,
    const struct report_choice *c)
{
	return age(r, m) >= c->older &&
	    (c->to == NULL || goes_to(r, m, c->to)) &&
	    (c->from == NULL || comes_from(r, m, c->from));
}

static int
compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int c = n > 0 ? memcmp(x->key.p, y->key.p, n) : 0;

	if (c == 0 && x->key.n != y->key.n)
		c = x->key.n < y->key.n ? -1 : 1;
	if (c == 0)
		c = strcmp(x->r->text.s + x->m->id, y->r->text.s + y->m->id);
	return c;
}

/* One for each place among what it is sorted by: by destination, some. */
static bool
is_another(const struct report *r, const struct mail *m, size_t k)
{
	for (size_t i = 0; i < k; i++)
		if (span_eq(text(r, r->rcpts[m->first + i].target),
			text(r, r->rcpts[m->first + k].target)))
			return false;
	return true;
}

/* rows may be NULL: how many there would be. */
static size_t
fill(const struct report *r, const struct report_choice *c, struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nmails; i++) {
		const struct mail *m = &r->mails[i];
		struct row row = { r, m, span_of("", 0) };

		if (!is_chosen(r, m, c))
			continue;
		if (c->by == BY_SENDER)
			row.key = text(r, m->sender);
		for (size_t k = 0; c->by == BY_DESTINATION && k < m->nrcpts;
		     k++) {
			if (!is_another(r, m, k))
				continue;
			row.key = text(r, r->rcpts[m->first + k].target);
			if (rows != NULL)
				rows[n] = row;
			n++;
		}
		if (c->by == BY_DESTINATION && m->nrcpts > 0)
			continue;
		if (rows != NULL)
			rows[n] = row;
		n++;
	}
	return n;
}

/* --- the list ---------------------------------------------------------------------- */

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

static size_t
age_class(uint64_t s)
{
	size_t i = nitems(ages) - 1;

	while (s < ages[i].from)
		i--;
	return i;
}

struct group {
	struct span key;
	size_t n, by_age[nitems(ages)];
	uint64_t oldest;
};

/* The rows of one key, which stand together; gives how many they are. */
static size_t
count_group(const struct row *rows, size_t n, struct group *g)
{
	size_t i;

	*g = (struct group){ .key = rows[0].key };
	for (i = 0; i < n && span_eq(rows[i].key, g->key); i++) {
		uint64_t s = age(rows[i].r, rows[i].m);

		g->by_age[age_class(s)]++;
		if (s > g->oldest)
			g->oldest = s;
	}
	g->n = i;
	return i;
}

static void
print_group(const struct group *g)
{
	(void)printf("%7zu", g->n);
	for (size_t i = 0; i < nitems(ages); i++)
		(void)printf(" %6zu", g->by_age[i]);
	(void)printf("  ");
	put(g->key);
	(void)putchar('\n');
}

static void
json_group(const struct group *g)
{
	(void)printf("{\"messages\":%zu,\"oldest\":%" PRIu64 ",\"name\":", g->n,
	    g->oldest);
	json_string(g->key);
	(void)putchar('}');
}

static void
list_groups(const struct row *rows, size_t n, bool json)
{
	struct group g;

	if (json) {
		(void)printf("{\"groups\":[");
	} else {
		(void)printf("%7s", "all");
		for (size_t i = 0; i < nitems(ages); i++)
			(void)printf(" %6s", ages[i].name);
		(void)putchar('\n');
	}
	for (size_t i = 0; i < n;) {
		if (json && i > 0)
			(void)putchar(',');
		i += count_group(rows + i, n - i, &g);
		if (json)
			json_group(&g);
		else
			print_group(&g);
	}
	if (json)
		(void)printf("]}\n");
}

static void
list_json(const struct row *rows, size_t n)
{
	size_t count = 0;

	(void)printf("{\"messages\":[");
	for (size_t i = 0; i < n; i++) {
		(void)printf(count++ > 0 ? ",\n" : "\n");
		json_mail(rows[i].r, rows[i].m);
	}
	(void)printf("\n],\"count\":%zu}\n", count);
}

/* By destination: only the recipients there. */
static void
list_mail(const struct row *row, const struct report_choice *c)
{
	const struct report *r = row->r;
	const struct mail *m = row->m;

	put_head(r, m);
	for (size_t i = 0; i < m->nrcpts; i++) {
		const struct mail_rcpt *p = &r->rcpts[m->first + i];

		if (c->by != BY_DESTINATION ||
		    span_eq(text(r, p->target), row->key))
			put_rcpt(r, p);
	}
}

static void
list_text(const struct row *rows, size_t n, const struct report_choice *c)
{
	struct group g;
	size_t left = 0;

	for (size_t i = 0; i < n; i++, left--) {
		if (left == 0 && c->by != BY_AGE) {
			left = count_group(rows + i, n - i, &g);
			(void)printf(i > 0 ? "\n" : "");
			put(g.key);
			(void)printf(": %zu\n", g.n);
		}
		list_mail(&rows[i], c);
	}
}

bool
report_list(const struct report *r, const struct report_choice *c)
{
	size_t n = fill(r, c, NULL);
	struct row *rows = calloc(n + 1, sizeof(*rows));

	if (rows == NULL)
		return false;
	(void)fill(r, c, rows);
	if (n > 0)
		qsort(rows, n, sizeof(*rows), compare);
	if (c->count)
		list_groups(rows, n, c->json);
	else if (c->json)
		list_json(rows, n);
	else if (n == 0)
		(void)printf("The queue is empty\n");
	else
		list_text(rows, n, c);
	free(rows);
	return true;
}
