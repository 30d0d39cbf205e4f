/* SPDX-License-Identifier: ISC */
/* Which TXT records do what they should, and which do not. */
#include "../../common/records/records-compare.h"
#include "tap.h"

#define DKIM "k=ed25519; p=AAAA"

/* What a host mail.example.com should say of example.com. */
static struct records records;
static struct conf conf;

static void
set_up(void)
{
	static const struct {
		enum records_kind kind;
		const char *name, *text;
	} list[] = {
		{ RECORDS_SPF, "example.com", "v=spf1 mx -all" },
		{ RECORDS_HOST_SPF, "mail.example.com", "v=spf1 a -all" },
		{ RECORDS_DKIM, "s._domainkey.example.com", "v=DKIM1; " DKIM },
		{ RECORDS_DMARC, "_dmarc.example.com", "" },
		{ RECORDS_STS, "_mta-sts.example.com", "v=STSv1; id=1" },
		{ RECORDS_TLSRPT, "_smtp._tls.example.com", "" },
	};

	conf.hostname = "mail.example.com";
	records.conf = &conf;
	memcpy(records.domain, "example.com", sizeof("example.com"));
	for (size_t i = 0; i < nitems(list); i++) {
		struct record *r = &records.list[records.n++];

		*r = (struct record){ .kind = list[i].kind,
			.algorithm = DKIM_KEY_ED25519 };
		memcpy(r->name, list[i].name, strlen(list[i].name) + 1);
		r->key_domain = r->name + strlen("s._domainkey.");
		sbuf_init(&r->text, RECORDS_TEXT_MAX);
		sbuf_adds(&r->text, list[i].text);
	}
}

static enum records_verdict
compare(enum records_kind kind, struct span texts, struct sbuf *why)
{
	struct span list[8];
	const struct record *r = records.list;
	size_t n = 0;

	while (r->kind != kind)
		r++;
	while (texts.n > 0 && n < nitems(list))
		list[n++] = span_cut(&texts, '|');
	return records_compare(&records, r, list, n, why);
}

static void
test_table(void)
{
	/* Several records are separated by a bar. why: a part of it. */
	static const struct {
		enum records_kind kind;
		const char *texts;
		enum records_verdict want;
		const char *why;
	} cases[] = {
		{ RECORDS_SPF, "v=spf1 mx -all", RECORDS_RIGHT,
		    "v=spf1 mx -all" },
		{ RECORDS_SPF, "foo|V=SPF1 MX ~ALL|bar", RECORDS_RIGHT, "" },
		{ RECORDS_SPF, "v=spf1 +mx:example.com ip4:192.0.2.1 -all",
		    RECORDS_RIGHT, "" },
		{ RECORDS_SPF, "v=spf1 a:mail.example.com -all", RECORDS_RIGHT,
		    "" },
		{ RECORDS_SPF, "v=spf1 mx redirect=_spf.example.com",
		    RECORDS_RIGHT, "" },
		{ RECORDS_SPF, "", RECORDS_WRONG, "not found" },
		{ RECORDS_SPF, "v=spf10 mx -all", RECORDS_WRONG, "not found" },
		{ RECORDS_SPF, "v=spf1 mx -all|v=spf1", RECORDS_WRONG,
		    "several" },
		{ RECORDS_SPF, "v=spf1 -all", RECORDS_WRONG,
		    "does not allow this host to send; published: v=spf1 -all" },
		{ RECORDS_SPF, "v=spf1 -mx -all", RECORDS_WRONG, "not allow" },
		{ RECORDS_SPF, "v=spf1 -all mx", RECORDS_WRONG, "not allow" },
		{ RECORDS_SPF, "v=spf1 mx all", RECORDS_WRONG, "every host" },
		{ RECORDS_SPF, "v=spf1 mx ?all", RECORDS_WRONG, "every host" },
		{ RECORDS_SPF, "v=spf1 mx", RECORDS_DOUBT,
		    "other hosts may send" },
		{ RECORDS_SPF, "v=spf1 include:a.example -all", RECORDS_DOUBT,
		    "has no mx" },
		{ RECORDS_SPF, "v=spf1 mx:a.example -all", RECORDS_DOUBT,
		    "has no mx" },
		{ RECORDS_SPF, "v=spf1 ip4:192.0.2.1 -all", RECORDS_DOUBT,
		    "has no mx" },
		{ RECORDS_SPF, "v=spf1 exp=a.example -all", RECORDS_WRONG,
		    "not allow" },
		{ RECORDS_HOST_SPF, "v=spf1 a -all", RECORDS_RIGHT, "" },
		{ RECORDS_HOST_SPF, "v=spf1 a:example.com -all", RECORDS_DOUBT,
		    "" },
		{ RECORDS_DKIM, "v=DKIM1; " DKIM, RECORDS_RIGHT, "" },
		{ RECORDS_DKIM, "K = ed25519 ;p= AA A\tA ;", RECORDS_RIGHT,
		    "K = ed25519 ;p= AA A\\009A ;" },
		{ RECORDS_DKIM, DKIM "; h=sha1 : sha256; s=email",
		    RECORDS_RIGHT, "" },
		{ RECORDS_DKIM, "", RECORDS_WRONG, "not found" },
		{ RECORDS_DKIM, DKIM "|" DKIM, RECORDS_WRONG, "several" },
		{ RECORDS_DKIM, "v=DKIM2; " DKIM, RECORDS_WRONG, "not DKIM1" },
		{ RECORDS_DKIM, "v=DKIM1; k=ed25519", RECORDS_WRONG, "no p=" },
		{ RECORDS_DKIM, "k=ed25519; p=", RECORDS_WRONG, "revoked" },
		{ RECORDS_DKIM, "p=AAAA", RECORDS_WRONG, "type of key" },
		{ RECORDS_DKIM, "k=rsa; p=AAAA", RECORDS_WRONG, "type of key" },
		{ RECORDS_DKIM, "k=ed25519; p=AAA", RECORDS_WRONG,
		    "another key" },
		{ RECORDS_DKIM, "k=ed25519; p=aAAA", RECORDS_WRONG,
		    "another key" },
		{ RECORDS_DKIM, DKIM "A", RECORDS_WRONG, "another key" },
		{ RECORDS_DKIM, DKIM "; h=sha1", RECORDS_WRONG, "sha256" },
		{ RECORDS_DKIM, DKIM "; s=tlsrpt", RECORDS_WRONG, "email" },
		{ RECORDS_DKIM, DKIM "; t=s:y", RECORDS_DOUBT, "t=y" },
		{ RECORDS_DMARC, "v=DMARC1; p=reject; rua=mailto:a",
		    RECORDS_RIGHT, "" },
		{ RECORDS_DMARC, "v=DMARC1;p=Quarantine;adkim=s;rua=mailto:a",
		    RECORDS_RIGHT, "" },
		{ RECORDS_DMARC, "x|", RECORDS_WRONG, "not found" },
		{ RECORDS_DMARC, "v=DMARC1", RECORDS_WRONG, "p=" },
		{ RECORDS_DMARC, "v=DMARC1; p=maybe", RECORDS_WRONG, "p=" },
		{ RECORDS_DMARC, "v=DMARC1; p=none; rua=mailto:a",
		    RECORDS_DOUBT, "p=none" },
		{ RECORDS_DMARC, "v=DMARC1; p=reject; t=y; rua=mailto:a",
		    RECORDS_DOUBT, "t=y" },
		{ RECORDS_DMARC, "v=DMARC1; p=reject", RECORDS_DOUBT,
		    "no rua=" },
		{ RECORDS_STS, "v=STSv1; id=1;", RECORDS_RIGHT, "" },
		{ RECORDS_STS, "v=STSv1; id=2", RECORDS_DOUBT, "id=" },
		{ RECORDS_STS, "v=STSv1;", RECORDS_WRONG, "no id=" },
		{ RECORDS_TLSRPT, "v=TLSRPTv1; rua=mailto:a", RECORDS_RIGHT,
		    "" },
		{ RECORDS_TLSRPT, "v=TLSRPTv1; rua=", RECORDS_WRONG,
		    "no rua=" },
	};
	struct sbuf why;

	sbuf_init(&why, RECORDS_TEXT_MAX);
	for (size_t i = 0; i < nitems(cases); i++) {
		enum records_verdict got;

		sbuf_reset(&why);
		got = compare(cases[i].kind, span_str(cases[i].texts), &why);
		if (!ok(got == cases[i].want &&
			    strstr(why.s, cases[i].why) != NULL,
			"%s %s", records_type(cases[i].kind), cases[i].texts))
			note("%u: %s", (unsigned)got, why.s);
	}
	sbuf_free(&why);
}

/* A key of the domain above is aligned unless that must be strict. */
static void
test_strict(void)
{
	struct sbuf why;

	sbuf_init(&why, RECORDS_TEXT_MAX);
	memcpy(records.domain, "a.example.com", sizeof("a.example.com"));
	is_num(compare(RECORDS_DMARC,
		   SPAN("v=DMARC1; p=reject; adkim=s; rua=mailto:a"), &why),
	    RECORDS_WRONG, "adkim=s with the key of the domain above");
	is_num(compare(RECORDS_DMARC,
		   SPAN("v=DMARC1; p=reject; adkim=r; rua=mailto:a"), &why),
	    RECORDS_RIGHT, "adkim=r with it");
	sbuf_free(&why);
}

static void
test_show(void)
{
	static char text[1000];
	struct sbuf why;

	sbuf_init(&why, RECORDS_TEXT_MAX);
	records_show(&why, SPAN("a\033[2J\r\n\0\377z"));
	is_str(why.s, "a\\027[2J\\013\\010\\000\\255z",
	    "what a terminal must not see");
	sbuf_reset(&why);
	memset(text, 'x', sizeof(text));
	records_show(&why, span_of(text, sizeof(text)));
	is_num((long long)why.len, 303, "what is long is cut");
	sbuf_free(&why);
}

int
main(void)
{
	set_up();
	test_table();
	test_strict();
	test_show();
	return done();
}
