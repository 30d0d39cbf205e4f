/* SPDX-License-Identifier: ISC */
/*
 * DMARC records, good and bad, of another implementation's tests; and what
 * libopendmarc by itself makes of them and of all records in our own cases.
 */
#include <unistd.h>

#include "dmarc.h"
#include "libopendmarc.h"
#include "tap.h"

#define OURS "tests/dialogue/dmarc.cases"
#define SUITE_CASES 41
#define OUR_RECORDS 100

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

static void
run_suite(const char *path)
{
	char command[512], line[4096];
	unsigned n = 0, same = 0;
	FILE *in;

	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 tests/tools/dmarc-suite.py '%s'", path);
	in = popen(command, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		struct span text = span_str(line), kind;

		text.n -= text.n > 0 && line[text.n - 1] == '\n';
		kind = span_cut(&text, '\t');
		run_case(kind, text);
		same += libopendmarc_agrees(text);
		n++;
	}
	if (in != NULL)
		(void)pclose(in);
	is_num(n, SUITE_CASES, "all cases of the suite were run");
	is_num(same, n, "libopendmarc sees no other policy in them");
}

static void
compare_ours(void)
{
	FILE *in = fopen(OURS, "re");
	unsigned n = 0, same = 0;
	char line[256];

	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		struct span text = span_str(line), word = span_word(&text);

		if (!span_eq(word, SPAN("dns")))
			continue;
		(void)span_word(&text);
		if (!span_eq(span_word(&text), SPAN("TXT")))
			continue;
		text = span_trim(span_cut(&text, '\n'));
		n++;
		same += libopendmarc_agrees(text);
	}
	if (in != NULL)
		(void)fclose(in);
	ok(n >= OUR_RECORDS, "%u records of our own", n);
	is_num(same, n, "libopendmarc sees no other policy in them");
}

int
main(void)
{
	const char *suites = getenv("SMTPD_SUITES");
	char path[400];

	if (!dmarc_record_init())
		return 1;
	compare_ours();
	(void)snprintf(path, sizeof(path), "%s/dmarc-records.json",
	    suites != NULL ? suites : "../shared/suites");
	if (access(path, R_OK) == 0)
		run_suite(path);
	else
		skipped("no '%s': the DMARC suite was not run", path);
	return done();
}
