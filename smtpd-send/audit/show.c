/* SPDX-License-Identifier: ISC */
/* Columns for a person: a time, what happened, to whom; more below it. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>

#include "stamp.h"

#define MARGIN (STAMP_LEN + 2 + 10 + 2) /* where the third column is */

static void
print(struct span s)
{
	(void)fwrite(s.p, 1, s.n, stdout);
}

/* Nothing that a terminal obeys; a line end begins a new line there. */
static void
print_text(struct span s, unsigned margin)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\n')
			(void)printf("\n%*s", (int)margin, "");
		else if (c >= ' ' && c <= '~')
			(void)putchar(c);
		else if (c != '\r' || i + 1 == s.n || s.p[i + 1] != '\n')
			(void)printf("\\x%02x", (unsigned char)c);
	}
}

/* The same, of a value that is escaped as in the log. */
static void
print_value(struct span value, unsigned margin)
{
	struct sbuf b;

	sbuf_init(&b, 8192);
	line_text(&b, value);
	print_text(sbuf_span(&b), margin);
	sbuf_free(&b);
}

void
show_head(const char *name, struct span text)
{
	(void)printf("%-10s  ", name);
	print_text(text, 12);
	(void)putchar('\n');
}

void
show_reply(struct span text)
{
	(void)printf("%*s", MARGIN, "");
	print_text(text, MARGIN);
	(void)putchar('\n');
}

/* us: 0 is no time. What is known in seconds has no more digits. */
static void
print_columns(uint64_t us, const char *event)
{
	struct sbuf b;

	sbuf_init(&b, 64);
	if (us != 0)
		stamp_add(&b, us);
	if (us % 1000000 == 0 && b.len > 4)
		sbuf_truncate(&b, b.len - 4);
	(void)printf("%-*s  %-10s  ", STAMP_LEN, b.s, event);
	sbuf_free(&b);
}

void
show_columns(uint64_t us, const char *event, struct span who)
{
	print_columns(us, event);
	print_text(who, MARGIN);
	(void)putchar('\n');
}

/* --- how it came ----------------------------------------------------------- */

static void
head_value(const struct line *l, const char *name, const char *as)
{
	struct span value;

	if (!line_get(l, name, &value))
		return;
	(void)printf("%-10s  ", as);
	print_value(value, 12);
	(void)putchar('\n');
}

static void
show_recipients(const struct line *l)
{
	struct span rest = l->fields, name, value;
	uint64_t n = 0, shown = 0;

	while (line_next(&rest, &name, &value)) {
		if (!span_eq(name, SPAN("to")))
			continue;
		(void)printf("%-10s  ", shown++ == 0 ? "to" : "");
		print_value(value, 12);
		(void)putchar('\n');
	}
	if (line_number(l, "nrcpt", UINT32_MAX, &n) && n > shown)
		(void)printf("%-10s  %" PRIu64 " recipients in all\n",
		    shown == 0 ? "to" : "", n);
}

/* What advisers changed: by=NAME, and behind it how many of each kind. */
static void
show_changes(const struct line *l)
{
	static const char *const kinds[][2] = { { "deleted", "deleted" },
		{ "put", "put" }, { "top", "on top" }, { "mark", "mark" } };
	struct span rest = l->fields, name, value;
	bool any = false;

	while (line_next(&rest, &name, &value)) {
		if (span_eq(name, SPAN("by"))) {
			(void)printf("%s%-10s  ", any ? "\n" : "",
			    any ? "" : "changed by");
			print_value(value, 12);
			any = true;
		}
		for (size_t i = 0; any && i < nitems(kinds); i++)
			if (span_eq(name, span_str(kinds[i][0]))) {
				(void)printf(", %s ", kinds[i][1]);
				print_value(value, 12);
			}
	}
	if (any)
		(void)putchar('\n');
}

static void
show_accepted(const struct story *s, const struct line *l)
{
	struct sbuf b;

	sbuf_init(&b, 64);
	stamp_add(&b, s->mailid.time);
	sbuf_adds(&b, " UTC");
	show_head("accepted", sbuf_span(&b));
	sbuf_free(&b);
	head_value(l, "entrance", "entrance");
	head_value(l, "ip", "client");
	head_value(l, "helo", "helo");
	head_value(l, "protocol", "protocol");
	head_value(l, "tls", "tls");
	head_value(l, "user", "user");
	head_value(l, "uid", "uid");
	head_value(l, "about", "notice of");
	head_value(l, "size", "octets");
	head_value(l, "from", "from");
	show_recipients(l);
	show_changes(l);
	head_value(l, "unjudged", "unjudged");
}

void
show_arrival(const struct story *s)
{
	struct line l;

	show_head("message", span_str(s->id));
	for (size_t i = 0; i < s->n; i++) {
		story_get(s, i, &l);
		if (line_is(&l, "smtpd-queue", "queued") &&
		    span_eq(l.id, span_str(s->id))) {
			show_accepted(s, &l);
			return;
		}
	}
	show_head("accepted", SPAN("no line says so"));
}

/* --- what happened --------------------------------------------------------- */

/* What stands elsewhere in the columns, or is of no interest to a person. */
static bool
is_silent(struct span name)
{
	static const char *const silent[] = { "rcpt", "reply", "delay_ms",
		"age_ms", "left", "n", "others", "lost", "messages" };

	for (size_t i = 0; i < nitems(silent); i++)
		if (span_eq(name, span_str(silent[i])))
			return true;
	return false;
}

static void
print_next(struct span value, uint64_t now)
{
	struct sbuf b;
	uint64_t seconds;

	if (!span_u64(value, UINT32_MAX, &seconds) || now == 0) {
		print(value);
		return;
	}
	sbuf_init(&b, 64);
	stamp_add(&b, now + seconds * 1000000);
	print(span_of(b.s, b.len - sizeof(".000") + 1));
	sbuf_free(&b);
}

static void
show_detail(const struct chapter *c, struct span name, struct span value)
{
	if (span_eq(name, SPAN("next"))) {
		(void)printf("next try ");
		print_next(value, c->time);
		return;
	}
	if (span_eq(name, SPAN("attempt")))
		name = SPAN("try");
	else if (span_eq(name, SPAN("attempts")))
		name = SPAN("tries");
	print(name);
	(void)putchar(' ');
	print_value(value, MARGIN);
}

/* Programs on the way say who they are; that of the rest is clear. */
static bool
is_on_the_way(const struct line *l)
{
	return !span_eq(l->prog, SPAN("smtpd-send")) &&
	    !span_eq(l->prog, SPAN("smtpd-bounce"));
}

/* One line of them; it begins with margin blanks. */
static void
show_details(const struct chapter *c, const struct line *l, unsigned margin)
{
	struct span rest = l->fields, name, value;
	bool any = is_on_the_way(l), failed = span_eq(l->event, SPAN("failed"));

	if (any)
		(void)printf("%*sprog %.*s", (int)margin, "", (int)l->prog.n,
		    l->prog.p);
	while (line_next(&rest, &name, &value)) {
		/* Of who failed, only the others are tried again. */
		if (is_silent(name) || (failed && span_eq(name, SPAN("next"))))
			continue;
		if (any)
			(void)printf(", ");
		else
			(void)printf("%*s", (int)margin, "");
		any = true;
		show_detail(c, name, value);
	}
	if (any || margin == 0)
		(void)putchar('\n');
}

/* Is the notice n of a chapter that says more of it than that it is there? */
static bool
is_named(const struct story *s, struct span n)
{
	struct span notice;
	struct line l;

	for (size_t i = 0; i < s->n; i++) {
		story_get(s, i, &l);
		if (line_is(&l, "smtpd-bounce", "notice") &&
		    line_get(&l, "notice", &notice) && span_eq(notice, n))
			return true;
	}
	return false;
}

static void
show_event(const struct chapter *c, const struct line *l)
{
	struct span value = SPAN("");
	char event[64];
	struct sbuf b;

	(void)snprintf(event, sizeof(event), "%.*s", (int)l->event.n,
	    l->event.p);
	print_columns(c->timed ? c->time : 0, event);
	if (line_get(l, "rcpt", &value)) {
		print_value(value, MARGIN);
		(void)putchar('\n');
		show_details(c, l, MARGIN);
	} else {
		show_details(c, l, 0);
	}
	if (!line_get(l, "reply", &value))
		return;
	sbuf_init(&b, 8192);
	line_text(&b, value);
	show_reply(sbuf_span(&b));
	sbuf_free(&b);
}

void
show_chapter(const struct story *s, size_t i)
{
	const struct chapter *c = &s->chapters[i];
	struct line l;

	story_get(s, i, &l);
	if (!line_is(&l, "smtpd-queue", "queued"))
		show_event(c, &l);
	else if (!span_eq(l.id, span_str(s->id)) && !is_named(s, l.id))
		show_columns(c->time, "notice", l.id);
}
