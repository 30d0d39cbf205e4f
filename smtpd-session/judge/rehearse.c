/* SPDX-License-Identifier: ISC */
/* What the libraries do once a process is done before there is any mail. */
#include "rehearse.h"

#include <stdlib.h>

#include "signatures.h"
#include "spf-front.h"

/* The keys of RFC 8463; nobody need have signed anything with them. */
#define RSA_KEY \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTz" \
	"WRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3" \
	"FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz" \
	"BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define ED_KEY \
	"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

/* Octets of 1, in base64. */
#define ONES_9 "AQEBAQEBAQEB"
#define ONES_27 ONES_9 ONES_9 ONES_9
#define ONES_32 ONES_27 "AQEBAQE="
#define ONES_64 ONES_27 ONES_27 ONES_9 "AQ=="
#define ONES_128 ONES_27 ONES_27 ONES_27 ONES_27 ONES_9 ONES_9 "AQE="
#define SIGNATURE(selector, algorithm, b) \
	"DKIM-Signature: v=1; a=" algorithm "; c=relaxed/relaxed;\r\n" \
	" d=a.example; s=" selector "; h=From:To:Subject;\r\n" \
	" bh=" ONES_32 ";\r\n b=" b

static const struct {
	struct span name, field;
} fields[] = {
	{ SPAN("DKIM-Signature"),
	    SPAN(SIGNATURE("rsa", "rsa-sha256", ONES_128)) },
	{ SPAN("DKIM-Signature"),
	    SPAN(SIGNATURE("ed", "ed25519-sha256", ONES_64)) },
	{ SPAN("From"), SPAN("From: a@a.example") },
	{ SPAN("To"), SPAN("To: b@b.example") },
	{ SPAN("Subject"), SPAN("Subject: x") },
};

static enum dns_result
txt(struct resolve *r, struct span name, struct dns_texts *out)
{
	(void)r;
	*out = (struct dns_texts){ .text = calloc(1, sizeof(*out->text)) };
	if (out->text == NULL)
		return DNS_TEMPORARY;
	out->n = 1;
	out->text[0] = span_starts(name, SPAN("rsa.")) ? SPAN(RSA_KEY) :
	    span_starts(name, SPAN("ed."))             ? SPAN(ED_KEY) :
							 SPAN("v=spf1 a -all");
	return DNS_FOUND;
}

static enum dns_result
family(struct resolve *r, struct span name, unsigned char size, struct ip *out,
    size_t max, size_t *n)
{
	(void)r;
	(void)name;
	*n = max > 0;
	if (max > 0)
		*out = (struct ip){ .octets = { 198, 51, 100, 1 },
			.size = size };
	return DNS_FOUND;
}

static void
check_signatures(void)
{
	static struct signature list[SIGNATURES_MAX];

	signatures_begin();
	for (size_t i = 0; i < nitems(fields); i++)
		signatures_field(fields[i].field, fields[i].name);
	signatures_end_of_header(false);
	signatures_body(SPAN("x\r\n"));
	(void)signatures_finish(list);
}

void
rehearse(struct resolve *r)
{
	const struct resolve real = *r;
	const struct spf_subject who = { .local = SPAN("a"),
		.sender_domain = SPAN("a.example"),
		.helo = SPAN("a.example"),
		.ip = { .octets = { 192, 0, 2, 1 }, .size = 4 } };

	r->txt = txt;
	r->family = family;
	r->ahead_txt = NULL;
	resolve_start(r, 1000);
	check_signatures();
	(void)spf_check(r, &who);
	*r = real;
}
