/* SPDX-License-Identifier: ISC */
/*
 * What is reported of a stranger's words, each a line of the input: nothing
 * that smtpd-queue would take for nonsense, since then the mail must wait.
 */
#include <stdlib.h>

#include "judge-report.h"
#include "forged.h"
#include "frame.h"
#include "header.h"

#define HOST "mx.example.com"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

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

static void
text(struct span *rest, char *to, size_t size)
{
	struct span s = span_cut(rest, '\n');
	size_t n = s.n < size - 1 ? s.n : size - 1;

	memcpy(to, s.p, n);
	to[n] = '\0';
}

/* Names from DNS, and authors: what is no letter becomes one. */
static void
name(struct span *rest, char to[DNS_NAME_SIZE])
{
	text(rest, to, DNS_NAME_SIZE);
	for (; *to != '\0'; to++)
		if (!ascii_isalnum(*to) && *to != '.' && *to != '-')
			*to = 'x';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct findings f;
	struct span rest = span_of((const char *)data, n);
	struct sbuf out;

	f = (struct findings){ .ip = { .size = n % 2 == 0 ? 4 : 16 } };
	f.dmarc = (struct dmarc_verdict){
		.result = n % 5, .reason = "malformed From field", .tag = "sp"
	};
	f.helo = span_cut(&rest, '\n');
	f.local = span_cut(&rest, '\n');
	f.domain = span_cut(&rest, '\n');
	name(&rest, f.iprev_name);
	name(&rest, f.dmarc.domain);
	while (rest.n > 0 && f.nsignatures < SIGNATURES_MAX) {
		struct signature *s = &f.signatures[f.nsignatures++];

		s->result = rest.n % 5;
		s->reason = "a reason of some length, of the library's or ours";
		text(&rest, s->domain, sizeof(s->domain));
		text(&rest, s->selector, sizeof(s->selector));
		text(&rest, s->algorithm, sizeof(s->algorithm));
		text(&rest, s->b, sizeof(s->b));
	}
	sbuf_init(&out, FRAME_PAYLOAD_MAX);
	report_findings(&out, HOST, &f);
	if (out.bad || !is_sound(sbuf_span(&out)))
		abort();
	sbuf_free(&out);
	return 0;
}
