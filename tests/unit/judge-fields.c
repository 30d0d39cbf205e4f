/* SPDX-License-Identifier: ISC */
/* A message cut into fields and body, however its octets come in. */
#include "judge-header.h"
#include "tap.h"

static struct sbuf seen, strays;

static void
show_in(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r')
			sbuf_adds(b, "\\r");
		else if (s.p[i] == '\n')
			sbuf_adds(b, "\\n");
		else
			sbuf_putc(b, s.p[i]);
}

static void
show(struct span s)
{
	show_in(&seen, s);
}

static void
on_field(void *context, struct span field, struct span name)
{
	(void)context;
	sbuf_putc(&seen, '<');
	show(name);
	sbuf_putc(&seen, '|');
	show(field);
	sbuf_putc(&seen, '>');
}

static void
on_end(void *context)
{
	(void)context;
	sbuf_adds(&seen, "/");
}

static void
on_body(void *context, struct span s)
{
	(void)context;
	show(s);
}

static void
on_stray(void *context, struct span line)
{
	(void)context;
	sbuf_putc(&strays, '[');
	show_in(&strays, line);
	sbuf_putc(&strays, ']');
}

static const struct fields_sink sink = { on_field, on_end, on_body, on_stray };

/* ! before: malformed. In [ ]: the stray lines, at the end. */
static const struct {
	const char *message, *want;
} cases[] = {
	{ "A: b\r\n\r\nx\r\n", "<A|A: b>/x\\r\\n" },
	{ "A: b\r\n c\r\n\td\r\nE:f\r\n\r\n",
	    "<A|A: b\\r\\n c\\r\\n\td><E|E:f>/" },
	{ "A: b\r\n", "<A|A: b>/" },
	{ "A: b", "<A|A: b>/" },
	{ "", "/" },
	{ "\r\nbody\r\n", "/body\\r\\n" },
	{ "A : b\r\n\r\n", "<A|A : b>/" },
	{ "A: b\r\n \r\n\r\nx", "<A|A: b\\r\\n >/x" },
	{ "A: b\r\nno field\r\nB: c\r\n\r\n",
	    "!<A|A: b>/no field\\r\\nB: c\\r\\n\\r\\n[no field][B: c]" },
	{ "x\r\nB: c\r\n d\r\n\r\nE: f\r\n",
	    "!/x\\r\\nB: c\\r\\n d\\r\\n\\r\\nE: f\\r\\n[x][B: c][ d]" },
	{ "x\r\nFrom: c", "!/x\\r\\nFrom: c[x][From: c]" },
	{ "no field\r\n", "!/no field\\r\\n[no field]" },
	{ ": b\r\n\r\n", "!/: b\\r\\n\\r\\n[: b]" },
	{ " folded first\r\n", "!/ folded first\\r\\n[ folded first]" },
	{ "A: b\r\n\r\n\r\n\r\n", "<A|A: b>/\\r\\n\\r\\n" },
};

static void
play(struct fields *f, const char *message, size_t piece)
{
	size_t n = strlen(message);

	sbuf_reset(&seen);
	sbuf_reset(&strays);
	fields_begin(f, &sink, NULL);
	for (size_t i = 0; i < n; i += piece)
		fields_push(f,
		    span_of(message + i, n - i < piece ? n - i : piece));
	fields_end(f);
	sbuf_addspan(&seen, sbuf_span(&strays));
}

static void
test_cases(struct fields *f)
{
	for (size_t i = 0; i < nitems(cases); i++)
		for (size_t piece = 1; piece < 12; piece += 5) {
			const char *want = cases[i].want;
			bool bad = *want == '!';

			play(f, cases[i].message, piece);
			ok(strcmp(seen.s, want + bad) == 0 &&
				f->malformed == bad,
			    "%zu octets at once: %s (%s%s)", piece, want,
			    f->malformed ? "!" : "", seen.s);
		}
}

static void
test_bounds(struct fields *f)
{
	static char line[4096];

	fields_begin(f, &sink, NULL);
	for (unsigned i = 0; i < FIELDS_MAX * 2; i++)
		fields_push(f, SPAN("A: b\r\n"));
	fields_end(f);
	ok(f->too_large, "too many fields are known as such");
	memset(line, 'x', sizeof(line));
	fields_begin(f, &sink, NULL);
	fields_push(f, SPAN("A: "));
	for (size_t i = 0; i <= FIELDS_SIZE_MAX; i += sizeof(line))
		fields_push(f, span_of(line, sizeof(line)));
	fields_end(f);
	ok(f->too_large, "so is one that is too large");
	fields_begin(f, &sink, NULL);
	fields_push(f, SPAN("A: b\r\n\r\n"));
	fields_end(f);
	ok(!f->too_large && !f->malformed, "the next message begins afresh");
}

int
main(void)
{
	static struct fields f;

	sbuf_init(&seen, 64 * 1024 * 1024);
	sbuf_init(&strays, 64 * 1024 * 1024);
	fields_init(&f);
	test_cases(&f);
	test_bounds(&f);
	return done();
}
