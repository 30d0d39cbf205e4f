/* SPDX-License-Identifier: ISC */
/* DMARC: every case of tests/dialogue/dmarc.cases, from a fake DNS. */
#include <stdio.h>

#include "dmarc.h"
#include "fake-resolve.h"
#include "tap.h"

#define CASES "tests/dialogue/dmarc.cases"
#define LINES_MAX 4000
#define ENOUGH 80

static struct fake fake;
static struct from from;
static struct dmarc_identifier ids[DMARC_IDENTIFIERS_MAX];
static size_t nids;
static struct span title;
static unsigned ncases;

static void
begin(struct span line)
{
	title = line;
	fake_clear(&fake);
	from_init(&from);
	nids = 0;
	ncases++;
}

static void
add_from(struct span value)
{
	if (span_eq(value, SPAN("none")))
		return;
	from_begin(&from);
	for (size_t i = 0; i < value.n; i++)
		from_push(&from, value.p[i]);
	from_end(&from);
}

static void
add_identifier(struct span line)
{
	struct span method = span_word(&line);

	if (nids == DMARC_IDENTIFIERS_MAX)
		abort();
	ids[nids] = (struct dmarc_identifier){ .domain = span_word(&line),
		.spf = span_eq(method, SPAN("spf")) };
	ids[nids++].temporary = span_word(&line).n > 0;
}

static bool
is(struct span want, const char *got)
{
	return span_eq(want, span_str(*got != '\0' ? got : "-"));
}

static void
judge(struct span line)
{
	struct span result = span_word(&line), policy = span_word(&line);
	struct span tag = span_word(&line), domain = span_word(&line);
	struct dmarc_verdict v;

	dmarc_check(&fake.lookup, &from, ids, nids, &v);
	if (!ok(span_eq(result, span_str(dmarc_result_text(v.result))) &&
		    span_eq(policy, span_str(dmarc_wish_text(v.policy))) &&
		    is(tag, v.tag) && is(domain, v.policy_domain),
		"%.*s", (int)title.n, title.p))
		note("got %s %s %s %s (%s)", dmarc_result_text(v.result),
		    dmarc_wish_text(v.policy), v.tag, v.policy_domain,
		    v.reason);
}

static void
obey(struct span line)
{
	struct span word = span_word(&line);

	if (line.n > 0)
		line = span_skip(line, 1);
	if (span_eq(word, SPAN("case")))
		begin(line);
	else if (span_eq(word, SPAN("dns")))
		fake_add(&fake, line);
	else if (span_eq(word, SPAN("from")))
		add_from(line);
	else if (span_eq(word, SPAN("id")))
		add_identifier(line);
	else if (span_eq(word, SPAN("want")))
		judge(line);
}

int
main(void)
{
	static char lines[LINES_MAX][256];
	FILE *in = fopen(CASES, "re");
	size_t n = 0;

	if (in == NULL || !dmarc_record_init())
		return 1;
	fake_init(&fake);
	while (n < LINES_MAX && fgets(lines[n], sizeof(lines[n]), in) != NULL) {
		struct span line = span_str(lines[n++]);

		line.n -= line.n > 0 && line.p[line.n - 1] == '\n';
		if (line.n > 0 && line.p[0] != '#')
			obey(line);
	}
	(void)fclose(in);
	ok(ncases >= ENOUGH, "%u cases", ncases);
	fake_clear(&fake);
	return done();
}
