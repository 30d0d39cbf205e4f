/* SPDX-License-Identifier: ISC */
/* Whatever stands in it, smtpd-queue takes what smtpd-judge reports. */
#include "judge-report.h"
#include "forged.h"
#include "frame.h"
#include "header.h"
#include "tap.h"

#define HOST "mx.example.com"

/* Whole fields that can stand on any message, and none but these two. */
static bool
is_sound(struct span lines)
{
	bool sound = header_is_fields(lines) && forged_claims(lines, HOST) &&
	    span_starts(lines, SPAN("Authentication-Results: " HOST));

	while (sound && lines.n > 0) {
		struct span line = span_cut(&lines, '\n');

		sound = ascii_isblank(line.p[0]) ||
		    span_starts(line, SPAN("Authentication-Results: ")) ||
		    span_starts(line, SPAN("Received-SPF: "));
	}
	return sound;
}

/* Each place of a stranger's in f, as long as it can be, full of c. */
static void
fill(struct findings *f, char c, size_t n)
{
	static char words[3][512];

	memset(words, c, sizeof(words));
	*f = (struct findings){ .ip = { .size = 16 },
		.helo = span_of(words[0], n),
		.local = span_of(words[1], n),
		.domain = span_of(words[2], n),
		.nsignatures = SIGNATURES_MAX,
		.dmarc = { .result = DMARC_FAIL, .reason = "x", .tag = "np" } };
	memset(f->iprev_name, 'x', DNS_NAME_MAX);
	memset(f->dmarc.domain, 'x', DNS_NAME_MAX);
	memset(f->ip.octets, 0xff, sizeof(f->ip.octets));
	for (size_t i = 0; i < SIGNATURES_MAX; i++) {
		struct signature *s = &f->signatures[i];

		s->result = SIGNATURE_PERMERROR;
		s->reason = "the longest text that the library has for errors";
		memset(s->domain, c, sizeof(s->domain) - 1);
		memset(s->selector, c, sizeof(s->selector) - 1);
		memset(s->algorithm, c, sizeof(s->algorithm) - 1);
		memset(s->b, c, sizeof(s->b) - 1);
	}
}

static void
test_octets(void)
{
	static struct findings f;
	struct sbuf out;
	unsigned bad = 0;

	sbuf_init(&out, FRAME_PAYLOAD_MAX);
	for (int c = 0; c < 256; c++)
		for (size_t n = 1; n <= 512; n = n < 16 ? n + 1 : n * 2) {
			fill(&f, (char)c, n);
			sbuf_reset(&out);
			report_findings(&out, HOST, &f);
			if (out.bad || !is_sound(sbuf_span(&out)))
				bad++;
		}
	is_num(bad, 0, "every octet, in every length");
	f = (struct findings){ .nsignatures = 0, .dmarc.reason = "" };
	sbuf_reset(&out);
	report_findings(&out, HOST, &f);
	ok(is_sound(sbuf_span(&out)), "nothing found at all");
	sbuf_free(&out);
}

int
main(void)
{
	test_octets();
	return done();
}
