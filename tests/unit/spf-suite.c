/* SPDX-License-Identifier: ISC */
/* The SPF suite of RFC 7208, from a fake DNS. */
#include "fake-resolve.h"
#include "spf-front.h"
#include "tap.h"

#define ENOUGH 201
#define CASES 203

static struct fake fake;
static unsigned cases, passed;

static bool
is_one_of(const char *result, struct span list)
{
	while (list.n > 0)
		if (span_eq(span_cut(&list, ','), span_str(result)))
			return true;
	return false;
}

static void
run_case(struct span line)
{
	struct span id = span_cut(&line, '\t'), ip = span_cut(&line, '\t');
	struct span helo = span_cut(&line, '\t');
	struct span sender = span_cut(&line, '\t');
	struct span want = line;
	struct spf_subject who = {
		.helo = helo, .local = SPAN("postmaster"), .sender_domain = helo
	};
	size_t at = span_rfind(sender, '@');
	const char *got;

	if (!ip_parse(ip, &who.ip))
		return;
	if (sender.n > 0) {
		if (at > 0 && at < sender.n)
			who.local = span_of(sender.p, at);
		who.sender_domain = at < sender.n ? span_skip(sender, at + 1) :
						    sender;
	}
	fake.lookup.queries = 0;
	got = spf_result_text(spf_check(&fake.lookup, &who));
	cases++;
	if (is_one_of(got, want))
		passed++;
	else
		note("%.*s: %s, not %.*s", (int)id.n, id.p, got, (int)want.n,
		    want.p);
}

int
main(void)
{
	static char lines[FAKE_RECORDS][4096];
	const char *suites = getenv("SMTPD_SUITES");
	char command[512], path[400];
	size_t n = 0;
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/spf-rfc7208.json",
	    suites != NULL ? suites : "../shared/suites");
	in = fopen(path, "re");
	if (in == NULL) {
		skipped("no '%s': the SPF suite was not run", path);
		return done();
	}
	(void)fclose(in);
	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 tests/tools/spf-suite.py '%s'", path);
	in = popen(command, "re");
	if (in == NULL)
		return 1;
	fake_init(&fake);
	while (n < FAKE_RECORDS &&
	    fgets(lines[n], sizeof(lines[n]), in) != NULL) {
		struct span line = span_str(lines[n]);

		line.n -= line.n > 0 && line.p[line.n - 1] == '\n';
		if (line.p[0] == 'Z') {
			fake_add(&fake, span_skip(line, 2));
			n++;
		} else if (line.p[0] == 'T') {
			run_case(span_skip(line, 2));
		} else {
			fake_clear(&fake);
			n = 0;
		}
	}
	(void)pclose(in);
	is_num(cases, CASES, "all cases of the suite were run");
	ok(passed >= ENOUGH, "%u of %u passed", passed, cases);
	return done();
}
