/* SPDX-License-Identifier: ISC */
/* The table of aliases: what a file becomes, and what it may not say. */
#include "alias.h"
#include "tap.h"

static struct conf conf = { .local_domains = "example.com Example.ORG" };

static const struct wrong {
	const char *text;
	unsigned line;
	const char *what; /* the beginning */
} wrongs[] = {
	{ "a", 1, "expected" },
	{ "a:", 1, "'a' has no target" },
	{ "a: b\n\n# x\nb:\n#", 4, "'b' has no target" },
	{ "a: b\n\t,c", 2, "unexpected comma" },
	{ "a: b,,c", 1, "unexpected comma" },
	{ "a: b c", 1, "missing comma" },
	{ "a: \"b\"c", 1, "'\"b\"c' is not a name" },
	{ "\tb", 1, "continuation line" },
	{ "a: b\na: b", 2, "'a' is already defined on line 1" },
	{ "a: b\r\n", 1, "carriage return" },
	{ "a: a@b@c", 1, "'a@b@c' is not" },
	{ "a: |x", 1, "'|x' is not supported: a command" },
	{ "a: /x", 1, "'/x' is not supported: a file" },
	{ "a: :include:x", 1, "':include:x' is not supported" },
	{ "a: b\nb: c\nc: d\nd: b", 2, "'b' is part of a loop" },
	{ "a: a\nb: b, a, c\nc: c+x, b", 2, "'b' is part of a loop" },
};

static void
refuses(void)
{
	for (size_t i = 0; i < nitems(wrongs); i++) {
		struct alias_table t;
		struct alias_where where;
		enum alias_result r;

		alias_init(&t, &conf);
		r = alias_parse(&t, span_str(wrongs[i].text), &where);
		ok(r == ALIAS_BAD && where.line == wrongs[i].line &&
			span_starts(span_str(where.what),
			    span_str(wrongs[i].what)),
		    "refuses %zu: %u: %s", i, where.line, where.what);
		alias_free(&t);
	}
}

static const struct found {
	const char *local, *domain;
	const char *targets; /* blank-separated; NULL: no such alias */
} founds[] = {
	{ "one", "example.com", "user@example.com" },
	{ "ONE", "EXAMPLE.COM", "user@example.com" },
	{ "one", "elsewhere.test", "user@example.com" },
	{ "on", "example.com", NULL },
	{ "one+x", "example.com", NULL },
	{ "", "example.com", NULL },
	{ "", "", NULL },
	{ "one", "", "user@example.com" },
	{ "two", "example.com", NULL },
	{ "two", "example.org", "a@b.c one@example.com" },
	{ "tWo", "exaMple.oRg", "a@b.c one@example.com" },
	{ "a b", "example.com", "\"c,d\"@e.f" },
	{ "one@example.com", "", NULL },
	{ "two@example.org", "", NULL },
};

static void
finds(void)
{
	struct alias_table t;
	struct alias_where where;

	alias_init(&t, &conf);
	ok(alias_parse(&t,
	       SPAN("One: user # x\n\"two\"@example.org:\n a@b.c\n one\n"
		    "\"a b\": \"c,d\"@e.f"),
	       &where) == ALIAS_OK,
	    "parses: %s", where.what);
	for (size_t i = 0; i < nitems(founds); i++) {
		const struct found *f = &founds[i];
		const struct alias_entry *e = alias_find(&t, span_str(f->local),
		    span_str(f->domain));
		struct span rest = span_str(f->targets ? f->targets : "");
		bool good = (e == NULL) == (f->targets == NULL);

		for (size_t n = 0; e != NULL && n < e->ntargets; n++)
			good = good &&
			    span_eq(alias_target(&t, e, n), span_word(&rest));
		ok(good && rest.n == 0, "finds %s in %s", f->local, f->domain);
	}
	alias_free(&t);
}

static void
long_names(void)
{
	char text[1024];
	struct alias_table t;
	struct alias_where where;

	memset(text, 'x', sizeof(text));
	alias_init(&t, &conf);
	for (size_t n = 0; n < sizeof(text); n += 7)
		if (alias_find(&t, span_of(text, n), span_of(text, n)) != NULL)
			ok(false, "found %zu in an empty table", n);
	ok(alias_parse(&t, SPAN("x: y"), &where) == ALIAS_OK, "one entry");
	for (size_t n = 2; n < sizeof(text); n += 7)
		if (alias_find(&t, span_of(text, n), span_of(text, n)) != NULL)
			ok(false, "found %zu", n);
	ok(alias_find(&t, span_of(text, 1), span_of(text, 255)) != NULL,
	    "in the longest domain");
	alias_free(&t);
}

static void
parts(void)
{
	char text[ADDRESS_LOCAL_MAX + 1];
	struct address a;

	is_span(alias_base(SPAN("a+b")), SPAN("a"), "base");
	is_span(alias_base(SPAN("a+b+c")), SPAN("a"), "base of two details");
	is_span(alias_base(SPAN("ab")), SPAN(""), "no detail, no base");
	is_span(alias_base(SPAN("+b")), SPAN(""), "detail of nobody");
	is_span(alias_base(SPAN("")), SPAN(""), "base of nothing");
	if (address_mailbox(SPAN("\"a\\\"b c\"@d"), &a) == ADDRESS_OK)
		is_span(alias_local(&a, text), SPAN("a\"b c"), "unquoted");
}

/* 5000 names, each in its place although the table has grown often. */
static void
many(void)
{
	struct alias_table t;
	struct alias_where where;
	struct sbuf text, name;
	bool good = true;

	sbuf_init(&text, 1 << 20);
	sbuf_init(&name, 64);
	for (unsigned i = 0; i < 5000; i++)
		sbuf_addf(&text, "n%u: r%u@elsewhere.test\n", i, i);
	alias_init(&t, &conf);
	ok(alias_parse(&t, sbuf_span(&text), &where) == ALIAS_OK, "many");
	for (unsigned i = 0; i < 5000; i++) {
		const struct alias_entry *e;

		sbuf_reset(&name);
		sbuf_addf(&name, "N%u", i);
		e = alias_find(&t, sbuf_span(&name), SPAN("example.com"));
		good = good && e != NULL && e->line == i + 1;
	}
	ok(good, "each of many is found");
	alias_free(&t);
	sbuf_free(&name);
	sbuf_free(&text);
}

int
main(void)
{
	refuses();
	finds();
	long_names();
	parts();
	many();
	return done();
}
