/* SPDX-License-Identifier: ISC */
/* Whose mail it claims to be: every From that could fool a reader or us. */
#include "judge-header.h"
#include "tap.h"

/* Fields end with '|'; ! before the domains: it is bad. None, or more than
 * one, is for dmarc.c to judge. */
static const struct {
	const char *fields, *want;
} cases[] = {
	/* Plain ones. */
	{ " a@one.test|", "one.test" },
	{ "a@ONE.Test|", "one.test" },
	{ " <a@one.test>|", "one.test" },
	{ " A B <a@one.test>|", "one.test" },
	{ " \"B, A\" <a@one.test>|", "one.test" },
	{ " A <a.b+c@one.test>|", "one.test" },
	{ " A <\"a b\"@one.test>|", "one.test" },
	{ " A <\"a@evil.test\"@one.test>|", "one.test" },
	{ " \r\n\tA\r\n <a@one.test>\r\n |", "one.test" },
	{ " =?utf-8?Q?a=40evil.test?= <a@one.test>|", "one.test" },
	/* What a reader does not take for an address. */
	{ " \"a@evil.test\" <a@one.test>|", "one.test" },
	{ " (a@evil.test) a@one.test|", "one.test" },
	{ " a@one.test (b@evil.test)|", "one.test" },
	{ " (a (nested@evil.test) b) a@one.test|", "one.test" },
	{ " (a \\) b@evil.test) a@one.test|", "one.test" },
	{ " \"a \\\" b@evil.test\" <a@one.test>|", "one.test" },
	/* What some reader may. */
	{ " a@one.test <b@two.test>|", "one.test two.test" },
	{ " <a@one.test> b@two.test|", "!one.test two.test" },
	{ " a@one.test, b@two.test|", "one.test two.test" },
	{ " a@one.test,b@one.test|", "one.test" },
	{ " a@one.test|b@two.test|", "one.test two.test" },
	{ " G: a@one.test, b@two.test;|", "one.test two.test" },
	{ " a@one.test;b@two.test|", "!one.test two.test" },
	{ " a@one.test@two.test|", "!one.test two.test" },
	{ " <a@one.test@two.test>|", "!one.test two.test" },
	{ " <@one.test:a@two.test>|", "!one.test two.test" },
	{ " <a@one.test|", "!one.test" },
	{ " a@one.test>|", "!" },
	{ " <<a@one.test>>|", "!one.test" },
	{ " \"a@evil.test <a@one.test>|", "!" },
	{ " (a@evil.test <a@one.test>|", "!" },
	/* No domain, or one that nobody can ask for. */
	{ " |", "" },
	{ " undisclosed:;|", "" },
	{ " postmaster|", "!" },
	{ " <>|", "" },
	{ " MAILER-DAEMON < (c) >|", "" },
	{ " A <> b@one.test|", "!one.test" },
	{ " <b>|", "!" },
	{ " <\"\">|", "!" },
	{ " a@|", "!" },
	{ " a@one.test.|", "one.test" },
	{ " a@[192.0.2.1]|", "!" },
	{ " a@\xc3\xa4.test|", "!" },
	{ " \xc3\xa4 <a@one.test>|", "one.test" },
	{ " <\xff@one.test>|", "one.test" },
	/* Encoded words: one without blanks is a word, whatever is in it. */
	{ " =?utf-8?Q?a?=@one.test|", "one.test" },
	{ " =?utf-8?Q?a@evil.test?= <a@one.test>|", "!one.test" },
	{ " =?utf-8?Q?<a@evil.test>?=|", "!evil.test" },
	/* Blanks and comments where the old syntax had them. */
	{ " a @ one . test|", "one.test" },
	{ " a@one.test b|", "!one.test" },
	{ " a@(c)one.(c)test|", "one.test" },
	{ " a@one.test\r x|", "!one.test" },
	{ " a@one.test,|", "one.test" },
	{ " ,,a@one.test|", "one.test" },
	{ " @one.test|", "!one.test" },
	{ " G:a@one.test|", "!one.test" },
	{ " G:H:a@one.test;;|", "!one.test" },
	{ " a\\@evil.test@one.test|", "!evil.test one.test" },
};

static void
fill(struct from *f, const char *fields)
{
	from_init(f);
	while (*fields != '\0') {
		from_begin(f);
		while (*fields != '|')
			from_push(f, *fields++);
		from_end(f);
		fields++;
	}
}

static void
test_cases(void)
{
	static struct from f;

	for (size_t i = 0; i < nitems(cases); i++) {
		char got[4096] = "";
		size_t len;

		fill(&f, cases[i].fields);
		if (f.bad)
			strcat(got, "!");
		for (unsigned d = 0; d < f.n; d++) {
			if (d > 0)
				strcat(got, " ");
			len = strlen(got);
			(void)snprintf(got + len, sizeof(got) - len, "%s",
			    f.domains[d]);
		}
		is_str(got, cases[i].want, "case %zu", i);
	}
}

static void
test_bounds(void)
{
	static struct from f;

	from_init(&f);
	ok(f.fields == 0 && f.n == 0, "no field, no domain");
	for (unsigned i = 0; i < 1000; i++) {
		char text[64];

		from_begin(&f);
		(void)snprintf(text, sizeof(text), " a@d%u.test", i);
		for (const char *p = text; *p != '\0'; p++)
			from_push(&f, *p);
		from_end(&f);
	}
	ok(f.fields == 1000 && f.n <= FROM_DOMAINS_MAX && f.bad,
	    "a thousand fields are too many, and known as such");
	from_init(&f);
	from_begin(&f);
	for (const char *p = " a@"; *p != '\0'; p++)
		from_push(&f, *p);
	for (unsigned i = 0; i < 100000; i++)
		from_push(&f, i % 60 == 59 ? '.' : 'x');
	from_end(&f);
	ok(f.bad, "a domain of 100,000 octets is bad");
	for (unsigned depth = 0; depth < 100000; depth++)
		from_push(&f, '(');
	ok(f.bad, "so are comments of any depth");
	from_init(&f);
	from_begin(&f);
	for (size_t i = 0; i < sizeof(" a@one.test\0@evil.test"); i++)
		from_push(&f, " a@one.test\0@evil.test"[i]);
	from_end(&f);
	ok(f.bad, "so is a NUL");
}

int
main(void)
{
	test_cases();
	test_bounds();
	return done();
}
