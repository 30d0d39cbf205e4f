/* SPDX-License-Identifier: ISC */
/* DMARC records, good and bad, of another implementation's tests. */
#include "dmarc.h"
#include "tap.h"

#define CASES 41

/*
 * Of RFC 7489, where p had to follow v at once. RFC 9989, section 4.7, has
 * only v at a fixed place.
 */
static const char *const allowed = "v=DMARC1; sp=reject; p=reject";

static void
run_case(struct span kind, struct span text)
{
	struct dmarc_record r;
	bool is_record = dmarc_record_parse(text, &r);

	if (span_eq(kind, SPAN("valid")) || span_eq(text, span_str(allowed))) {
		ok(is_record, "a record: %.*s", (int)text.n, text.p);
		return;
	}
	/* A bad value elsewhere may not make a policy. */
	ok(!is_record ||
		(r.p == DMARC_WISH_NONE && r.sp == DMARC_WISH_NONE &&
		    r.np == DMARC_WISH_NONE && !r.strict_dkim && !r.strict_spf),
	    "no policy: %.*s", (int)text.n, text.p);
}

int
main(void)
{
	const char *suites = getenv("SMTPD_SUITES");
	char command[512], path[400], line[4096];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/dmarc-records.json",
	    suites != NULL ? suites : "../shared/suites");
	in = fopen(path, "re");
	if (in == NULL) {
		skipped("no '%s': the DMARC suite was not run", path);
		return done();
	}
	(void)fclose(in);
	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 tests/tools/dmarc-suite.py '%s'", path);
	in = popen(command, "re");
	if (in == NULL)
		return 1;
	while (fgets(line, sizeof(line), in) != NULL) {
		struct span text = span_str(line), kind;

		text.n -= text.n > 0 && line[text.n - 1] == '\n';
		kind = span_cut(&text, '\t');
		run_case(kind, text);
	}
	(void)pclose(in);
	is_num(tap_count, CASES, "all cases of the suite were run");
	return done();
}
