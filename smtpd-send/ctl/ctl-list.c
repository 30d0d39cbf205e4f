/* SPDX-License-Identifier: ISC */
/* The messages in the queue, with what smtpd-send adds: chosen and printed. */
#include "ctl-list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "clock.h"
#include "route.h"

#define TEXT_MAX (1UL << 30)
#define NUMBER_SIZE 24

/* --- what smtpd-send keeps in its memory alone ---------------------------- */

void
ctl_live_init(struct ctl_live *l)
{
	*l = (struct ctl_live){ .nmessages = 0 };
	sbuf_init(&l->text, TEXT_MAX);
	sbuf_putc(&l->text, '\0');
}

static size_t
live_keep(struct ctl_live *l, struct span s)
{
	size_t at = l->text.len;

	sbuf_addspan(&l->text, s);
	sbuf_putc(&l->text, '\0');
	return at;
}

static struct span
live_text(const struct ctl_live *l, size_t at)
{
	return span_str(l->text.s + at);
}

/* Room for one more of these, or NULL. */
static void *
ctl_grow(void *array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap > 0 ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return array;
	p = reallocarray(array, more, size);
	if (p != NULL)
		*cap = more;
	return p;
}

/* "ID STATE NEXT" */
static bool
live_message(struct ctl_live *l, struct span s)
{
	struct span id = span_cut(&s, ' '), state = span_cut(&s, ' ');
	struct ctl_live_message *m = ctl_grow(l->messages, l->nmessages,
	    &l->messages_cap, sizeof(*m));

	if (m == NULL)
		return false;
	l->messages = m;
	m = &l->messages[l->nmessages++];
	*m = (struct ctl_live_message){ .first = l->nrcpts,
		.next = UINT64_MAX };
	if (!queue_id_valid(id) ||
	    (!span_eq(s, SPAN("-")) && !span_u64(s, UINT64_MAX, &m->next)))
		return false;
	memcpy(m->id, id.p, QUEUE_ID_LEN);
	/* Nearly all of them wait: that takes no room. */
	if (!span_eq(state, SPAN("waiting")))
		m->state = live_keep(l, state);
	return true;
}

/* "INDEX STATE DESTINATION" */
static bool
live_rcpt(struct ctl_live *l, struct span s)
{
	struct span index = span_cut(&s, ' '), state = span_cut(&s, ' ');
	struct ctl_live_rcpt *r = ctl_grow(l->rcpts, l->nrcpts, &l->rcpts_cap,
	    sizeof(*r));

	if (r == NULL)
		return false;
	l->rcpts = r;
	r = &l->rcpts[l->nrcpts++];
	*r = (struct ctl_live_rcpt){ 0 };
	r->state = live_keep(l, state);
	r->destination = live_keep(l, s);
	l->messages[l->nmessages - 1].nrcpts++;
	return span_u32(index, UINT32_MAX, &r->index);
}

/* "HOST REPLY" */
static bool
live_reply(struct ctl_live *l, struct span s)
{
	struct span host = span_cut(&s, ' ');
	struct ctl_live_rcpt *r;

	if (l->messages[l->nmessages - 1].nrcpts == 0)
		return false;
	r = &l->rcpts[l->nrcpts - 1];
	if (!span_eq(host, SPAN("-")))
		r->host = live_keep(l, host);
	r->reply = live_keep(l, s);
	return true;
}

bool
ctl_live_take(struct ctl_live *l, char tag, struct span s)
{
	bool ok = true;

	if (tag == 'M')
		ok = live_message(l, s);
	else if (l->nmessages == 0)
		ok = false;
	else if (tag == 'H')
		l->messages[l->nmessages - 1].reason = live_keep(l, s);
	else if (tag == 'R')
		ok = live_rcpt(l, s);
	else if (tag == 'T')
		ok = live_reply(l, s);
	else
		ok = tag >= 'a';
	return ok && !l->text.bad;
}

static int
compare_live(const void *a, const void *b)
{
	const struct ctl_live_message *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* --- one message: what the queue and smtpd-send say together --------------- */

struct ctl_message {
	struct queued q; /* all zero but for the id when damaged */
	bool damaged;
	const struct ctl_live_message *live; /* or NULL */
	size_t at; /* where the last live recipient was found */
};

struct ctl_rcpt {
	struct span state, destination, path, host, reply; /* empty: none */
	struct sbuf mem;
};

static uint64_t
age_of(const struct ctl_list *l, const char *id)
{
	uint64_t born = queue_id_time(id);

	return l->now > born ? (l->now - born) / 1000000 : 0;
}

/* What was never complete counts once smtpd-send has given it up. */
static bool
is_damaged(const struct ctl_list *l, const struct ctl_live_message *live,
    enum queued_result r)
{
	return r == QUEUED_CORRUPT ||
	    (r == QUEUED_TORN && live != NULL &&
		span_eq(live_text(&l->live, live->state), SPAN("held")));
}

/* OK also for a damaged one; what comes or goes meanwhile is GONE. */
static enum queued_result
message_read(struct ctl_list *l, const char *id, struct ctl_message *m)
{
	struct ctl_live_message key;
	enum queued_result r;

	*m = (struct ctl_message){ .at = 0 };
	memcpy(key.id, id, QUEUE_ID_LEN);
	key.id[QUEUE_ID_LEN] = '\0';
	if (l->live.nmessages > 0)
		m->live = bsearch(&key, l->live.messages, l->live.nmessages,
		    sizeof(key), compare_live);
	r = queued_read(&m->q, l->dir, key.id);
	if (r == QUEUED_OK || r == QUEUED_IOERR)
		return r;
	m->damaged = is_damaged(l, m->live, r);
	if (!m->damaged)
		return QUEUED_GONE;
	m->q = (struct queued){ .n = 0 };
	memcpy(m->q.id, key.id, QUEUE_ID_SIZE);
	sbuf_init(&m->q.text, 0);
	return QUEUED_OK;
}

static struct span
sender_of(const struct ctl_message *m)
{
	return m->damaged ? SPAN("-") : queued_text(&m->q, m->q.sender);
}

static struct span
ctl_state_of(const struct ctl_list *l, const struct ctl_message *m)
{
	if (m->damaged)
		return SPAN("damaged");
	if (m->q.kept != 0)
		return SPAN("held");
	if (m->live != NULL && m->live->state != 0)
		return live_text(&l->live, m->live->state);
	return m->live == NULL && m->q.held != 0 ? SPAN("held") :
						   SPAN("waiting");
}

/* Why it is not tried as usual; empty: it is. */
static struct span
reason_of(const struct ctl_list *l, const struct ctl_message *m,
    struct sbuf *mem)
{
	struct span held = SPAN("");

	if (m->damaged)
		return SPAN("the queue file is damaged");
	if (m->q.given_up)
		return SPAN("given up, its sender is to be told");
	if (m->q.kept != 0) {
		sbuf_addf(mem, "by %s", m->q.text.s + m->q.kept);
		return sbuf_span(mem);
	}
	held = queued_text(&m->q, m->q.held);
	if (span_eq(held, SPAN("crash")))
		return SPAN("its delivery crashes");
	if (span_eq(held, SPAN("expired")))
		return SPAN("it is too old, its sender is to be told");
	return m->live != NULL ? live_text(&l->live, m->live->reason) : held;
}

/* The seconds until the next try; UINT64_MAX: none is planned. */
static uint64_t
next_of(const struct ctl_list *l, const struct ctl_message *m)
{
	uint64_t now = l->now / 1000000;

	if (m->damaged || m->q.kept != 0)
		return UINT64_MAX;
	if (m->live != NULL)
		return m->live->next;
	if (m->q.held != 0)
		return UINT64_MAX;
	return m->q.next > now ? m->q.next - now : 0;
}

/* --- its recipients --------------------------------------------------------- */

static struct span
ctl_domain_of(struct span path)
{
	struct span d = span_skip(path, span_rfind(path, '@') + 1);

	if (d.n > 0 && d.p[d.n - 1] == '>')
		d.n--;
	return d;
}

/* As the operator names a destination: it, or the domain of the address. */
static bool
is_for(const struct ctl_rcpt *r, struct span name)
{
	return span_ieq(r->destination, name) ||
	    span_ieq(ctl_domain_of(r->path), name);
}

static bool
is_paused(const struct ctl_list *l, const struct ctl_rcpt *r)
{
	struct span rest = sbuf_span(&l->paused);

	while (rest.n > 0)
		if (is_for(r, span_cut(&rest, '\n')))
			return true;
	return false;
}

/* They come in the order of the queue's own: look on from the last one. */
static const struct ctl_live_rcpt *
find_live_rcpt(const struct ctl_list *l, struct ctl_message *m, uint32_t index)
{
	size_t n = m->live != NULL ? m->live->nrcpts : 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = (m->at + i) % n;

		if (l->live.rcpts[m->live->first + at].index != index)
			continue;
		m->at = at + 1;
		return &l->live.rcpts[m->live->first + at];
	}
	return NULL;
}

static struct span
queue_word(const struct ctl_list *l, const struct queued_rcpt *r,
    const struct ctl_rcpt *shown)
{
	switch (r->state) {
	case QUEUED_WAITING:
		break;
	case QUEUED_FAILED:
		return SPAN("failed");
	case QUEUED_DELIVERED:
		return SPAN("delivered");
	case QUEUED_BOUNCED:
		return SPAN("bounced");
	}
	return is_paused(l, shown) ? SPAN("paused") : SPAN("waiting");
}

/* During a try smtpd-send knows more than the log. */
static void
add_live(const struct ctl_list *l, const struct ctl_live_rcpt *r,
    struct ctl_rcpt *out)
{
	out->destination = live_text(&l->live, r->destination);
	if (!span_eq(live_text(&l->live, r->state), SPAN("waiting")))
		out->state = live_text(&l->live, r->state);
	if (r->reply == 0)
		return;
	out->host = live_text(&l->live, r->host);
	out->reply = live_text(&l->live, r->reply);
}

/*
 * The i-th recipient; false: it is none, or is at its end and all is not set.
 * It lasts until the next call with this *out.
 */
static bool
rcpt_get(const struct ctl_list *l, struct ctl_message *m, size_t i, bool all,
    struct ctl_rcpt *out)
{
	const struct queued_rcpt *r = &m->q.rcpts[i];
	const struct ctl_live_rcpt *live;
	struct span target = queued_text(&m->q, r->target);

	if (r->expanded)
		return false;
	sbuf_reset(&out->mem);
	route_destination(&out->mem, l->conf, target,
	    queued_text(&m->q, r->route));
	out->destination = sbuf_span(&out->mem);
	out->path = queued_address(target);
	out->host = SPAN("");
	out->reply = r->state == QUEUED_DELIVERED ?
	    SPAN("") :
	    queued_text(&m->q, r->reply);
	out->state = queue_word(l, r, out);
	live = find_live_rcpt(l, m, r->index);
	if (live != NULL)
		add_live(l, live, out);
	return all ||
	    (!span_eq(out->state, SPAN("delivered")) &&
		!span_eq(out->state, SPAN("bounced")));
}

static void
rcpt_init(struct ctl_rcpt *r)
{
	sbuf_init(&r->mem, ROUTE_MAX + 512);
}

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

static const char *
ctl_in_words(uint64_t s, char out[NUMBER_SIZE])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	size_t i = 0;

	while (i < nitems(units) - 1 && s < units[i].seconds)
		i++;
	(void)snprintf(out, NUMBER_SIZE, "%" PRIu64 "%s", s / units[i].seconds,
	    units[i].name);
	return out;
}

static void
put_rcpt(const struct ctl_rcpt *r)
{
	(void)printf("    ");
	put_text(r->path);
	if (r->destination.n > 0) {
		(void)printf("  ");
		put_text(r->destination);
	}
	if (!span_eq(r->state, SPAN("waiting"))) {
		(void)printf("  ");
		put_text(r->state);
	}
	if (r->reply.n > 0) {
		(void)printf("\n        ");
		if (r->host.n > 0) {
			put_text(r->host);
			(void)printf(": ");
		}
		put_text(r->reply);
	}
	(void)putchar('\n');
}

static void
put_head(const struct ctl_list *l, const struct ctl_message *m)
{
	struct span state = ctl_state_of(l, m), reason;
	uint64_t next = next_of(l, m);
	char since[NUMBER_SIZE], until[NUMBER_SIZE];
	struct sbuf mem;

	(void)printf("%s  %" PRIu64 " octets, %s old, %" PRIu32 " %s, ",
	    m->q.id, m->q.file.body_len,
	    ctl_in_words(age_of(l, m->q.id), since), m->q.tries,
	    m->q.tries == 1 ? "try" : "tries");
	if (next == UINT64_MAX || !span_eq(state, SPAN("waiting")))
		put_text(state);
	else
		(void)printf("next in %s", ctl_in_words(next, until));
	(void)printf("  ");
	put_text(sender_of(m));
	(void)putchar('\n');
	sbuf_init(&mem, 1024);
	reason = reason_of(l, m, &mem);
	if (reason.n > 0) {
		(void)printf("    (");
		put_text(reason);
		(void)printf(")\n");
	}
	sbuf_free(&mem);
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
put_message(const struct ctl_list *l, struct ctl_message *m, const char *to,
    bool all)
{
	struct ctl_rcpt r;
	struct span fact;
	size_t pos = 0;

	put_head(l, m);
	while (all && next_fact(m, &pos, &fact)) {
		(void)printf("    ");
		put_text(fact);
		(void)putchar('\n');
	}
	rcpt_init(&r);
	for (size_t i = 0; i < m->q.n; i++)
		if (rcpt_get(l, m, i, all, &r) &&
		    (to == NULL || span_eq(r.destination, span_str(to))))
			put_rcpt(&r);
	sbuf_free(&r.mem);
}

/* --- JSON (RFC 8259), in ASCII ---------------------------------------------- */

#define NO_CHARACTER 0xfffdU

static bool
is_tail(struct span s, size_t i)
{
	return i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80;
}

static uint32_t
tail_bits(struct span s, size_t i)
{
	return (unsigned char)s.p[i] & 0x3fU;
}

/*
 * The character at the front of s, and its length (RFC 3629 4). An octet that
 * is not part of one counts as U+FFFD.
 */
static uint32_t
utf8_character(struct span s, size_t *n)
{
	unsigned char a = (unsigned char)s.p[0];
	uint32_t c = NO_CHARACTER;

	*n = 1;
	if (a < 0x80)
		return a;
	if (a >= 0xc2 && a <= 0xdf && is_tail(s, 1)) {
		*n = 2;
		return (a & 0x1fU) << 6 | tail_bits(s, 1);
	}
	if ((a & 0xf0) == 0xe0 && is_tail(s, 1) && is_tail(s, 2)) {
		c = (a & 0x0fU) << 12 | tail_bits(s, 1) << 6 | tail_bits(s, 2);
		if (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))
			return NO_CHARACTER;
		*n = 3;
	} else if (a >= 0xf0 && a <= 0xf4 && is_tail(s, 1) && is_tail(s, 2) &&
	    is_tail(s, 3)) {
		c = (a & 0x07U) << 18 | tail_bits(s, 1) << 12 |
		    tail_bits(s, 2) << 6 | tail_bits(s, 3);
		if (c < 0x10000 || c > 0x10ffff)
			return NO_CHARACTER;
		*n = 4;
	}
	return c;
}

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
	size_t n;

	(void)putchar('"');
	while (s.n > 0) {
		json_character(utf8_character(s, &n));
		s = span_skip(s, n);
	}
	(void)putchar('"');
}

/* Empty is null. */
static void
json_member(const char *name, struct span s)
{
	(void)printf("\"%s\":", name);
	if (s.n == 0)
		(void)printf("null");
	else
		json_string(s);
	(void)putchar(',');
}

static struct span
without_brackets(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' && path.p[path.n - 1] == '>' ?
	    span_of(path.p + 1, path.n - 2) :
	    path;
}

static void
json_path(const char *name, struct span path)
{
	(void)printf("\"%s\":", name);
	json_string(without_brackets(path));
	(void)putchar(',');
}

static void
json_rcpt(const struct ctl_rcpt *r)
{
	(void)putchar('{');
	json_path("address", r->path);
	json_member("destination", r->destination);
	json_member("host", r->host);
	json_member("reply", r->reply);
	(void)printf("\"state\":");
	json_string(r->state);
	(void)putchar('}');
}

static void
json_facts(const struct ctl_message *m)
{
	struct span fact;
	size_t pos = 0, i = 0;

	while (next_fact(m, &pos, &fact)) {
		(void)printf(i++ == 0 ? "\"facts\":[" : ",");
		json_string(fact);
	}
	if (i > 0)
		(void)printf("],");
}

static void
json_message(const struct ctl_list *l, struct ctl_message *m, bool all)
{
	uint64_t next = next_of(l, m);
	struct ctl_rcpt r;
	size_t n = 0;

	rcpt_init(&r);
	(void)putchar('{');
	json_member("id", span_str(m->q.id));
	json_path("sender", sender_of(m));
	(void)printf("\"size\":%" PRIu64 ",\"age\":%" PRIu64
		     ",\"tries\":%" PRIu32 ",\"next\":",
	    m->q.file.body_len, age_of(l, m->q.id), m->q.tries);
	if (next == UINT64_MAX)
		(void)printf("null,");
	else
		(void)printf("%" PRIu64 ",", next);
	json_member("state", ctl_state_of(l, m));
	json_member("reason", reason_of(l, m, &r.mem));
	if (all)
		json_facts(m);
	(void)printf("\"recipients\":[");
	for (size_t i = 0; i < m->q.n; i++) {
		if (!rcpt_get(l, m, i, all, &r))
			continue;
		(void)printf(n++ > 0 ? "," : "");
		json_rcpt(&r);
	}
	(void)printf("]}");
	sbuf_free(&r.mem);
}

/* --- choosing ---------------------------------------------------------------- */

static bool
goes_to(const struct ctl_list *l, struct ctl_message *m, const char *to)
{
	struct ctl_rcpt r;
	bool found = false;

	rcpt_init(&r);
	for (size_t i = 0; i < m->q.n && !found; i++)
		found = rcpt_get(l, m, i, false, &r) &&
		    is_for(&r, span_str(to));
	sbuf_free(&r.mem);
	return found;
}

static bool
comes_from(struct span sender, struct span from)
{
	return span_ieq(without_brackets(sender), without_brackets(from)) ||
	    (sender.n > 2 && span_ieq(ctl_domain_of(sender), from));
}

static bool
ctl_is_chosen(const struct ctl_list *l, struct ctl_message *m,
    const struct ctl_choice *c)
{
	return (c->to == NULL || goes_to(l, m, c->to)) &&
	    (c->from == NULL || comes_from(sender_of(m), span_str(c->from)));
}

/* Calls each for those that are chosen, oldest first. */
static bool
choose_each(struct ctl_list *l, const struct ctl_choice *c,
    bool (*each)(struct ctl_list *, struct ctl_message *, void *), void *arg)
{
	struct ctl_message m;
	struct sbuf ids;
	bool ok = queued_list(l->dir, &ids);

	for (size_t at = 0; ok && at < ids.len; at += QUEUE_ID_SIZE) {
		enum queued_result r;

		if (age_of(l, ids.s + at) < c->older)
			continue;
		r = message_read(l, ids.s + at, &m);
		if (r == QUEUED_OK && ctl_is_chosen(l, &m, c))
			ok = each(l, &m, arg);
		else if (r == QUEUED_IOERR)
			ok = false;
		if (r == QUEUED_OK)
			queued_free(&m.q);
	}
	sbuf_free(&ids);
	return ok;
}

/* --- by age: as they are read ------------------------------------------------- */

struct ctl_printing {
	bool json;
	size_t n;
};

static bool
ctl_print_message(struct ctl_list *l, struct ctl_message *m, void *arg)
{
	struct ctl_printing *p = arg;

	if (p->json) {
		(void)printf(p->n > 0 ? ",\n" : "\n");
		json_message(l, m, false);
	} else {
		put_message(l, m, NULL, false);
	}
	p->n++;
	return true;
}

static void
print_begin(const struct ctl_printing *p)
{
	if (p->json)
		(void)printf("{\"messages\":[");
}

static void
print_end(const struct ctl_printing *p)
{
	if (p->json)
		(void)printf("\n],\"count\":%zu}\n", p->n);
	else if (p->n == 0)
		(void)printf("The queue is empty\n");
}

static bool
list_by_age(struct ctl_list *l, const struct ctl_choice *c)
{
	struct ctl_printing p = { .json = c->json };

	print_begin(&p);
	if (!choose_each(l, c, ctl_print_message, &p))
		return false;
	print_end(&p);
	return true;
}

/* --- grouped: the ids and what they are sorted by ------------------------------ */

struct ctl_row {
	char id[QUEUE_ID_SIZE];
	size_t key; /* in keys */
};

struct ctl_rows {
	enum ctl_by by;
	struct ctl_row *rows;
	size_t n, cap;
	struct sbuf keys; /* NUL-ended strings */
};

static bool
row_add(struct ctl_rows *t, const char *id, struct span key)
{
	struct ctl_row *r = ctl_grow(t->rows, t->n, &t->cap, sizeof(*r));

	if (r == NULL)
		return false;
	t->rows = r;
	r = &t->rows[t->n++];
	memcpy(r->id, id, QUEUE_ID_SIZE);
	r->key = t->keys.len;
	sbuf_addspan(&t->keys, key);
	sbuf_putc(&t->keys, '\0');
	errno = ENOMEM;
	return !t->keys.bad;
}

/* One for each of the message's destinations; first: where its rows begin. */
static bool
add_destinations(const struct ctl_list *l, struct ctl_message *m,
    struct ctl_rows *t)
{
	size_t first = t->n, k;
	struct ctl_rcpt r;
	bool ok = true;

	rcpt_init(&r);
	for (size_t i = 0; i < m->q.n && ok; i++) {
		struct span key;

		if (!rcpt_get(l, m, i, false, &r))
			continue;
		key = r.destination.n > 0 ? r.destination : SPAN("-");
		for (k = first; k < t->n; k++)
			if (span_eq(span_str(t->keys.s + t->rows[k].key), key))
				break;
		ok = k < t->n || row_add(t, m->q.id, key);
	}
	sbuf_free(&r.mem);
	return ok && (t->n > first || row_add(t, m->q.id, SPAN("")));
}

static bool
add_rows(struct ctl_list *l, struct ctl_message *m, void *arg)
{
	struct ctl_rows *t = arg;

	if (t->by == CTL_BY_DESTINATION)
		return add_destinations(l, m, t);
	return row_add(t, m->q.id,
	    t->by == CTL_BY_SENDER ? sender_of(m) : SPAN(""));
}

static int
compare_rows(const void *a, const void *b, void *keys)
{
	const struct ctl_row *x = a, *y = b;
	const char *text = keys;
	int c = strcmp(text + x->key, text + y->key);

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
static void
count_group(const struct ctl_list *l, const struct ctl_rows *t, size_t i,
    struct ctl_group *g)
{
	*g = (struct ctl_group){ .key = t->keys.s + t->rows[i].key };
	for (; i < t->n && strcmp(t->keys.s + t->rows[i].key, g->key) == 0;
	     i++) {
		uint64_t s = age_of(l, t->rows[i].id);
		size_t k = nitems(ages) - 1;

		while (s < ages[k].from)
			k--;
		g->by_age[k]++;
		g->n++;
		if (s > g->oldest)
			g->oldest = s;
	}
}

static void
print_group(const struct ctl_group *g, bool json)
{
	if (json) {
		(void)printf("{\"messages\":%zu,\"oldest\":%" PRIu64
			     ",\"name\":",
		    g->n, g->oldest);
		json_string(span_str(g->key));
		(void)putchar('}');
		return;
	}
	(void)printf("%7zu", g->n);
	for (size_t i = 0; i < nitems(ages); i++)
		(void)printf(" %6zu", g->by_age[i]);
	(void)printf("  ");
	put_text(span_str(g->key));
	(void)putchar('\n');
}

static void
list_groups(const struct ctl_list *l, const struct ctl_rows *t, bool json)
{
	struct ctl_group g;

	(void)printf(json ? "{\"groups\":[" : "%7s", "all");
	for (size_t i = 0; !json && i < nitems(ages); i++)
		(void)printf(" %6s", ages[i].name);
	if (!json)
		(void)putchar('\n');
	for (size_t i = 0; i < t->n; i += g.n) {
		count_group(l, t, i, &g);
		(void)printf(json && i > 0 ? "," : "");
		print_group(&g, json);
	}
	(void)printf(json ? "]}\n" : "");
}

/* Each message once more, in the order of the rows; some may have gone. */
static bool
list_rows(struct ctl_list *l, const struct ctl_rows *t, bool json)
{
	struct ctl_printing p = { .json = json };
	struct ctl_group g = { .n = 0 };
	size_t group_end = 0;
	struct ctl_message m;

	print_begin(&p);
	for (size_t i = 0; i < t->n; i++) {
		if (i == group_end) {
			count_group(l, t, i, &g);
			group_end = i + g.n;
			if (!json) {
				(void)printf(i > 0 ? "\n" : "");
				put_text(span_str(g.key));
				(void)printf(": %zu\n", g.n);
			}
		}
		switch (message_read(l, t->rows[i].id, &m)) {
		case QUEUED_OK:
			break;
		case QUEUED_IOERR:
			return false;
		case QUEUED_GONE:
		case QUEUED_RECEIVING:
		case QUEUED_TORN:
		case QUEUED_CORRUPT:
			continue;
		}
		if (json || t->by != CTL_BY_DESTINATION) {
			(void)ctl_print_message(l, &m, &p);
		} else {
			put_message(l, &m, g.key, false);
			p.n++;
		}
		queued_free(&m.q);
	}
	print_end(&p);
	return true;
}

static bool
list_grouped(struct ctl_list *l, const struct ctl_choice *c)
{
	struct ctl_rows t = { .by = c->by };
	bool ok;

	sbuf_init(&t.keys, TEXT_MAX);
	ok = choose_each(l, c, add_rows, &t);
	if (ok && t.n > 0)
		qsort_r(t.rows, t.n, sizeof(*t.rows), compare_rows, t.keys.s);
	if (ok && c->count)
		list_groups(l, &t, c->json);
	else if (ok)
		ok = list_rows(l, &t, c->json);
	free(t.rows);
	sbuf_free(&t.keys);
	return ok;
}

/* --- the two commands ---------------------------------------------------------- */

static bool
list_begin(struct ctl_list *l)
{
	l->now = clock_wall_us();
	if (l->live.nmessages > 0)
		qsort(l->live.messages, l->live.nmessages,
		    sizeof(*l->live.messages), compare_live);
	return queued_paused(l->dir, &l->paused);
}

bool
ctl_list(struct ctl_list *l, const struct ctl_choice *c)
{
	if (!list_begin(l))
		return false;
	return c->by == CTL_BY_AGE && !c->count ? list_by_age(l, c) :
						  list_grouped(l, c);
}

enum queued_result
ctl_show(struct ctl_list *l, const char *id, bool json)
{
	struct ctl_message m;
	enum queued_result r;

	if (!list_begin(l))
		return QUEUED_IOERR;
	r = message_read(l, id, &m);
	if (r != QUEUED_OK)
		return r;
	if (json) {
		json_message(l, &m, true);
		(void)putchar('\n');
	} else {
		put_message(l, &m, NULL, true);
	}
	queued_free(&m.q);
	return QUEUED_OK;
}
