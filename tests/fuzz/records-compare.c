/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes what smtpd-dns makes of published records: each line of the input
 * is a TXT record. Nothing that comes out can do harm to a terminal, and what
 * should be published is right.
 */
#include <stdlib.h>

#include "../../common/records/records-compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct conf conf = { .hostname = "mail.example.com", .tls_cert = "" };
static const char *const texts[] = { "v=spf1 mx -all", "v=DKIM1; k=rsa; p=AAAA",
	"v=DMARC1; p=reject; rua=mailto:a", "v=STSv1; id=1",
	"v=TLSRPTv1; rua=mailto:a" };
static const enum records_kind kinds[] = { RECORDS_SPF, RECORDS_DKIM,
	RECORDS_DMARC, RECORDS_STS, RECORDS_TLSRPT };

static void
look(const struct records *all, const struct record *r, struct span in)
{
	struct span list[16], ours = sbuf_span(&r->text);
	struct sbuf why;
	size_t n = 0;

	while (in.n > 0 && n < nitems(list))
		list[n++] = span_cut(&in, '\n');
	sbuf_init(&why, RECORDS_TEXT_MAX);
	(void)records_compare(all, r, list, n, &why);
	for (size_t i = 0; i < why.len; i++) {
		if (why.s[i] < ' ' || why.s[i] > '~')
			abort();
	}
	if (why.bad || why.len == 0 ||
	    records_compare(all, r, &ours, 1, &why) != RECORDS_RIGHT)
		abort();
	sbuf_free(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct records all;

	if (all.n == 0) {
		all.conf = &conf;
		for (; all.n < nitems(kinds); all.n++) {
			struct record *r = &all.list[all.n];

			*r = (struct record){ .kind = kinds[all.n],
				.name = "example.com",
				.key_domain = "" };
			sbuf_init(&r->text, RECORDS_TEXT_MAX);
			sbuf_adds(&r->text, texts[all.n]);
		}
	}
	for (size_t i = 0; i < all.n; i++)
		look(&all, &all.list[i], span_of(data, size));
	return 0;
}
