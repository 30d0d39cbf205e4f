/* SPDX-License-Identifier: ISC */
/* smtpd-trace: follows one message through its life, by log and queue. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "line.h"
#include "log.h"
#include "program.h"
#include "queued.h"

struct trace_event {
	uint64_t time; /* microseconds since 1970 */
	bool timed;    /* or else that is the time of the one before */
	uint64_t order;
	size_t at, len; /* its line in text, without the prefix */
};

struct trace {
	char id[QUEUE_ID_SIZE];
	struct mailid mailid;
	struct sbuf text;
	struct trace_event *events;
	size_t n, cap;
};

/* --- collecting ------------------------------------------------------------ */

#define TEXT_MAX (1024 * 1024 * 1024)

static bool
trace_init(struct trace *t, struct span id)
{
	*t = (struct trace){ .n = 0 };
	sbuf_init(&t->text, TEXT_MAX);
	if (!mailid_parse(id, &t->mailid))
		return false;
	memcpy(t->id, id.p, QUEUE_ID_LEN);
	return true;
}

/*
 * The age of the message is exact and knows no time zones; an id is the time
 * at which a message began.
 */
static uint64_t
trace_time_of(const struct trace *t, const struct line *l)
{
	struct mailid own, notice;
	struct span value;
	uint64_t ms;

	if (line_number(l, "delay_ms", UINT32_MAX, &ms) ||
	    line_number(l, "age_ms", UINT32_MAX, &ms))
		return t->mailid.time + ms * 1000;
	if (line_is(l, "smtpd-queue", "queued") && mailid_parse(l->id, &own))
		return own.time;
	if (line_get(l, "notice", &value) && mailid_parse(value, &notice))
		return notice.time;
	return line_time(l->prefix);
}

static bool
is_about(const struct trace *t, const struct line *l)
{
	struct span about;

	if (span_eq(l->id, span_str(t->id)))
		return true;
	return line_is(l, "smtpd-queue", "queued") &&
	    line_get(l, "about", &about) && span_eq(about, span_str(t->id));
}

static void
trace_keep(struct trace *t, const struct line *l, struct span line)
{
	struct span event = span_skip(line, l->prefix.n);

	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? 2 * t->cap : 64;
		t->events = reallocarray(t->events, t->cap, sizeof(*t->events));
		if (t->events == NULL)
			die_sys(EXIT_TEMP, "no memory");
	}
	t->events[t->n] = (struct trace_event){ .time = trace_time_of(t, l),
		.order = t->n,
		.at = t->text.len,
		.len = event.n };
	t->n++;
	sbuf_addspan(&t->text, event);
	if (t->text.bad)
		die(EXIT_TEMP, "no memory for so many lines");
}

static void
trace_line(void *trace, struct span line, int file)
{
	struct trace *t = trace;
	struct line l;

	(void)file;
	if (line_parse(line, &l) == LINE_EVENT && is_about(t, &l))
		trace_keep(t, &l, line);
}

static int
trace_compare(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
trace_sort(struct trace *t)
{
	uint64_t last = t->mailid.time;

	for (size_t i = 0; i < t->n; i++) {
		struct trace_event *e = &t->events[i];

		e->timed = e->time != 0;
		if (!e->timed)
			e->time = last;
		last = e->time;
	}
	if (t->n > 0)
		qsort(t->events, t->n, sizeof(*t->events), trace_compare);
}

static void
trace_get(const struct trace *t, size_t i, struct line *l)
{
	const struct trace_event *e = &t->events[i];

	if (line_parse(span_of(t->text.s + e->at, e->len), l) != LINE_EVENT)
		die(EXIT_BUG, "a line has changed");
}

/* --- columns --------------------------------------------------------------- */

#define MARGIN (LINE_TIME_LEN + 2 + 10 + 2) /* where the third column is */

static void
trace_print(struct span s)
{
	(void)fwrite(s.p, 1, s.n, stdout);
}

/* Nothing that a terminal obeys; a line end begins a new line at margin. */
static void
trace_print_text(struct span s, unsigned margin)
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
trace_print_value(struct span value, unsigned margin)
{
	struct sbuf b;

	sbuf_init(&b, 8192);
	line_text(&b, value);
	trace_print_text(sbuf_span(&b), margin);
	sbuf_free(&b);
}

static void
trace_show_head(const char *name, struct span text)
{
	(void)printf("%-10s  ", name);
	trace_print_text(text, 12);
	(void)putchar('\n');
}

static void
trace_show_reply(struct span text)
{
	(void)printf("%*s", MARGIN, "");
	trace_print_text(text, MARGIN);
	(void)putchar('\n');
}

/* us: 0 is no time. A time known in seconds alone has no fraction. */
static void
trace_print_columns(uint64_t us, const char *event)
{
	struct sbuf b;

	sbuf_init(&b, 64);
	if (us != 0)
		line_time_add(&b, us);
	if (us % 1000000 == 0 && b.len > 4)
		sbuf_truncate(&b, b.len - 4);
	(void)printf("%-*s  %-10s  ", LINE_TIME_LEN, b.s, event);
	sbuf_free(&b);
}

static void
trace_show_columns(uint64_t us, const char *event, struct span who)
{
	trace_print_columns(us, event);
	trace_print_text(who, MARGIN);
	(void)putchar('\n');
}

/* --- how it came ----------------------------------------------------------- */

static void
trace_head_value(const struct line *l, const char *name, const char *as)
{
	struct span value;

	if (!line_get(l, name, &value))
		return;
	(void)printf("%-10s  ", as);
	trace_print_value(value, 12);
	(void)putchar('\n');
}

static void
trace_show_recipients(const struct line *l)
{
	struct span rest = l->fields, name, value;
	uint64_t n = 0, shown = 0;

	while (line_next(&rest, &name, &value)) {
		if (!span_eq(name, SPAN("to")))
			continue;
		(void)printf("%-10s  ", shown++ == 0 ? "to" : "");
		trace_print_value(value, 12);
		(void)putchar('\n');
	}
	if (line_number(l, "nrcpt", UINT32_MAX, &n) && n > shown)
		(void)printf("%-10s  %" PRIu64 " recipients in all\n",
		    shown == 0 ? "to" : "", n);
}

/* What advisers changed: by=NAME, then how many of each kind. */
static void
trace_show_changes(const struct line *l)
{
	static const char *const kinds[][2] = { { "deleted", "deleted" },
		{ "put", "put" }, { "top", "on top" }, { "mark", "mark" } };
	struct span rest = l->fields, name, value;
	bool any = false;

	while (line_next(&rest, &name, &value)) {
		if (span_eq(name, SPAN("by"))) {
			(void)printf("%s%-10s  ", any ? "\n" : "",
			    any ? "" : "changed by");
			trace_print_value(value, 12);
			any = true;
		}
		for (size_t i = 0; any && i < nitems(kinds); i++)
			if (span_eq(name, span_str(kinds[i][0]))) {
				(void)printf(", %s ", kinds[i][1]);
				trace_print_value(value, 12);
			}
	}
	if (any)
		(void)putchar('\n');
}

static void
trace_show_accepted(const struct trace *t, const struct line *l)
{
	static const char *const fields[][2] = { { "entrance", "entrance" },
		{ "ip", "client" }, { "helo", "helo" },
		{ "protocol", "protocol" }, { "tls", "tls" },
		{ "user", "user" }, { "uid", "uid" }, { "about", "notice of" },
		{ "size", "octets" }, { "from", "from" } };
	struct sbuf b;

	sbuf_init(&b, 64);
	line_time_add(&b, t->mailid.time);
	sbuf_adds(&b, " UTC");
	trace_show_head("accepted", sbuf_span(&b));
	sbuf_free(&b);
	for (size_t i = 0; i < nitems(fields); i++)
		trace_head_value(l, fields[i][0], fields[i][1]);
	trace_show_recipients(l);
	trace_show_changes(l);
	trace_head_value(l, "unjudged", "unjudged");
}

static void
trace_show_arrival(const struct trace *t)
{
	struct line l;

	trace_show_head("message", span_str(t->id));
	for (size_t i = 0; i < t->n; i++) {
		trace_get(t, i, &l);
		if (line_is(&l, "smtpd-queue", "queued") &&
		    span_eq(l.id, span_str(t->id))) {
			trace_show_accepted(t, &l);
			return;
		}
	}
	trace_show_head("accepted", SPAN("not according to the log"));
}

/* --- what happened --------------------------------------------------------- */

/* What the columns show already, or is of no interest to a person. */
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
trace_print_next(struct span value, uint64_t now)
{
	struct sbuf b;
	uint64_t seconds;

	if (!span_u64(value, UINT32_MAX, &seconds) || now == 0) {
		trace_print(value);
		return;
	}
	sbuf_init(&b, 64);
	line_time_add(&b, now + seconds * 1000000);
	trace_print(span_of(b.s, b.len - sizeof(".000") + 1));
	sbuf_free(&b);
}

static void
trace_show_detail(const struct trace_event *e, struct span name,
    struct span value)
{
	if (span_eq(name, SPAN("next"))) {
		(void)printf("next try ");
		trace_print_next(value, e->time);
		return;
	}
	if (span_eq(name, SPAN("attempt")))
		name = SPAN("try");
	else if (span_eq(name, SPAN("attempts")))
		name = SPAN("tries");
	trace_print(name);
	(void)putchar(' ');
	trace_print_value(value, MARGIN);
}

/* Is the program named? That of all other events is clear. */
static bool
is_on_the_way(const struct line *l)
{
	return !span_eq(l->prog, SPAN("smtpd-send")) &&
	    !span_eq(l->prog, SPAN("smtpd-bounce"));
}

/* One line of them; it begins with margin blanks. */
static void
trace_show_details(const struct trace_event *e, const struct line *l,
    unsigned margin)
{
	struct span rest = l->fields, name, value;
	bool any = is_on_the_way(l), failed = span_eq(l->event, SPAN("failed"));

	if (any)
		(void)printf("%*sprog %.*s", (int)margin, "", (int)l->prog.n,
		    l->prog.p);
	while (line_next(&rest, &name, &value)) {
		/* One that failed is not tried again, only the others are. */
		if (is_silent(name) || (failed && span_eq(name, SPAN("next"))))
			continue;
		if (any)
			(void)printf(", ");
		else
			(void)printf("%*s", (int)margin, "");
		any = true;
		trace_show_detail(e, name, value);
	}
	if (any || margin == 0)
		(void)putchar('\n');
}

/* Does another event say more of this notice than that it was queued? */
static bool
trace_is_named(const struct trace *t, struct span n)
{
	struct span notice;
	struct line l;

	for (size_t i = 0; i < t->n; i++) {
		trace_get(t, i, &l);
		if (line_is(&l, "smtpd-bounce", "notice") &&
		    line_get(&l, "notice", &notice) && span_eq(notice, n))
			return true;
	}
	return false;
}

static void
trace_show_event(const struct trace_event *e, const struct line *l)
{
	struct span value = SPAN("");
	char event[64];
	struct sbuf b;

	(void)snprintf(event, sizeof(event), "%.*s", (int)l->event.n,
	    l->event.p);
	trace_print_columns(e->timed ? e->time : 0, event);
	if (line_get(l, "rcpt", &value)) {
		trace_print_value(value, MARGIN);
		(void)putchar('\n');
		trace_show_details(e, l, MARGIN);
	} else {
		trace_show_details(e, l, 0);
	}
	if (!line_get(l, "reply", &value))
		return;
	sbuf_init(&b, 8192);
	line_text(&b, value);
	trace_show_reply(sbuf_span(&b));
	sbuf_free(&b);
}

static void
trace_event(const struct trace *t, size_t i)
{
	const struct trace_event *e = &t->events[i];
	struct line l;

	trace_get(t, i, &l);
	if (!line_is(&l, "smtpd-queue", "queued"))
		trace_show_event(e, &l);
	else if (!span_eq(l.id, span_str(t->id)) && !trace_is_named(t, l.id))
		trace_show_columns(e->time, "notice", l.id);
}

/* --- what the queue says --------------------------------------------------- */

static void
trace_show_summary(const struct queued *q)
{
	struct sbuf b;

	sbuf_init(&b, 1024);
	if (q->tries == 0)
		sbuf_adds(&b, "no try has ended");
	else
		sbuf_addf(&b, "%u %s", q->tries,
		    q->tries == 1 ? "try" : "tries");
	if (q->kept != 0) {
		sbuf_addf(&b, ", held by %s", q->text.s + q->kept);
	} else if (q->held != 0) {
		sbuf_addf(&b, ", held: %s", q->text.s + q->held);
	} else if (q->tries > 0) {
		sbuf_adds(&b, ", the next is due ");
		line_time_add(&b, q->next * 1000000);
		sbuf_truncate(&b, b.len - sizeof(".000") + 1);
	}
	trace_show_head("queue", sbuf_span(&b));
	sbuf_free(&b);
}

static void
trace_show_rcpt(const struct queued *q, const struct queued_rcpt *r)
{
	static const char *const states[] = {
		[QUEUED_WAITING] = "waits",
		[QUEUED_FAILED] = "failed",
		[QUEUED_DELIVERED] = "delivered",
		[QUEUED_BOUNCED] = "told by",
	};
	size_t reply = r->state == QUEUED_BOUNCED ? r->notice : r->reply;

	if (r->expanded)
		return; /* the recipients that it stands for are shown */
	trace_show_columns(r->time * 1000000, states[r->state],
	    queued_address(queued_text(q, r->target)));
	if (queued_text(q, reply).n > 0)
		trace_show_reply(queued_text(q, reply));
}

static int
trace_show_failure(int err)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "it cannot be read: %s",
	    strerror(err));
	trace_show_head("queue", span_str(text));
	return EXIT_TEMP;
}

/* The exit status. */
static int
trace_show_queue(int dir, const struct trace *t)
{
	struct queued q;

	switch (queued_read(&q, dir, t->id)) {
	case QUEUED_OK:
		trace_show_summary(&q);
		for (size_t i = 0; i < q.n; i++)
			trace_show_rcpt(&q, &q.rcpts[i]);
		queued_free(&q);
		break;
	case QUEUED_RECEIVING:
		trace_show_head("queue", SPAN("it is being received"));
		break;
	case QUEUED_TORN:
		trace_show_head("queue", SPAN("its file was never complete"));
		break;
	case QUEUED_CORRUPT:
		trace_show_head("queue", SPAN("its file is damaged"));
		break;
	case QUEUED_GONE:
		trace_show_head("queue", SPAN("it is not in the queue"));
		return t->n > 0 ? EXIT_OK : 1;
	case QUEUED_IOERR:
		return trace_show_failure(errno);
	}
	return EXIT_OK;
}

/* --- the program ----------------------------------------------------------- */

static void
trace_show(const struct trace *t)
{
	trace_show_arrival(t);
	(void)printf("\n%-*s  event\n", LINE_TIME_LEN, "time (UTC)");
	for (size_t i = 0; i < t->n; i++)
		trace_event(t, i);
	if (t->n > 0)
		(void)putchar('\n');
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	int first, n, dir, err, status;
	struct logfile *logs;
	static struct trace trace;

	first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "id [log ...]");
	if (first == argc)
		die(EXIT_PERM, "which message? give its queue id");
	if (!trace_init(&trace, span_str(argv[first])))
		die(EXIT_PERM, "'%s' is not a queue id", argv[first]);
	logs = logfile_open(argv + first + 1, argc - first - 1, &n);
	dir = queued_dir(conf.queue);
	err = dir == -1 ? errno : 0;
	queued_confine(&conf, dir);
	logfile_read(logs, n, trace_line, &trace);
	free(logs);
	trace_sort(&trace);
	trace_show(&trace);
	status = dir != -1 ? trace_show_queue(dir, &trace) :
			     trace_show_failure(err);
	if (fflush(stdout) != 0 || ferror(stdout))
		die_sys(EXIT_TEMP, "cannot write the report");
	return status;
}
