/* SPDX-License-Identifier: ISC */
/* The SPF front: what libspf2 gets to see, and what it never does. */
#include "fake-resolve.h"
#include "spf-front.h"
#include "tap.h"

static struct fake fake;
static struct spf spf;

static struct spf_subject
subject(const char *ip)
{
	struct spf_subject who = { .local = SPAN("strong-bad"),
		.sender_domain = SPAN("email.example.com"),
		.domain = SPAN("email.example.com"),
		.helo = SPAN("mx.example.com") };

	if (!ip_parse(span_str(ip), &who.ip))
		abort();
	return who;
}

/* --- terms ------------------------------------------------------------------ */

static const char *const good[] = {
	"",
	" ",
	" all",
	" -ALL",
	" ~all  ",
	" a",
	" a/24",
	" a//64",
	" a/0//0",
	" a/32//128",
	" ?mx:x.example/8",
	" a:%{d}/24",
	" ptr",
	" ptr:a.b",
	" ip4:192.0.2.1",
	" ip4:192.0.2.0/0",
	" ip6:::1",
	" ip6:2001:db8::/32",
	" include:_spf.a-b.example",
	" exists:%{ir}.%{v}._x.%{d2}",
	" exists:%{l1r+-}._spf.%{D}",
	" redirect=x.example.",
	" exp=%{d}",
	" foo=",
	" f-o_o.1=%{s}%%%_%-bar",
	" a:%%x.example",
	" exists:%{d200r.-+,/_=}",
	" a:x.1a",
	" a:x.1-1",
};

static const char *const bad[] = {
	" b",
	" al",
	" all:",

	" all/0",
	" +",
	" -",
	" +a=b",
	" a:",
	" a:/24",
	" a/",
	" a/33",
	" a/032",
	" a/24/64",
	" a//129",
	" a//",
	" a:x",
	" a:x.1",
	" a:x.-a",
	" a:x.a-",
	" a:x..",
	" a:x%",
	" a:x.%{",
	" a:x.%{}",
	" a:x.%{z}",
	" a:%{c}.x",
	" a:%{r}",
	" a:%{d0}",
	" a:%{dr2}",
	" a:%{d!}",
	" a:%{d",
	" a:%(d)",
	" a:%d",
	" include",
	" include:",
	" exists",
	" exists:",
	" exists:x.y/24",
	" ip4",
	" ip4:",
	" ip4:1.2.3",
	" ip4:1.2.3.4/33",
	" ip4:1.2.3.4/",
	" ip4:1.2.3.4/08",
	" ip4:1.2.3.256",
	" ip6:1.2.3.4",
	" ip6::::1",
	" ip6:::1/129",
	" ip6:::1//12",
	" ptr/24",
	" redirect=",
	" exp=",
	" redirect=a.b redirect=a.b",
	" exp=a.b exp=a.b",
	" 1=x",
	" a\tmx",
	" a:x\x80.example",
	" foo=\x01",
	" foo=%",
	" \x01",
	" ip4:1.2.3.4 b",
};

static void
test_terms(void)
{
	struct sbuf out;

	sbuf_init(&out, 480);
	fake_clear(&fake);
	spf = (struct spf){ .lookup = &fake.lookup,
		.who = subject("192.0.2.3") };
	for (size_t i = 0; i < nitems(good); i++) {
		sbuf_reset(&out);
		ok(spf_translate(&spf, span_str(good[i]), SPAN("x.example"),
		       &out),
		    "taken: 'v=spf1%s'", good[i]);
	}
	for (size_t i = 0; i < nitems(bad); i++) {
		sbuf_reset(&out);
		ok(!spf_translate(&spf, span_str(bad[i]), SPAN("x.example"),
		       &out),
		    "refused: term %zu of the bad ones", i);
	}
	sbuf_free(&out);
}

/* --- what the library gets ----------------------------------------------------- */

static const struct {
	const char *ip, *record, *want;
} seen[] = {
	{ "192.0.2.3", " a mx -all", " +a:n0.spf/32 +mx:n1.spf/32 -all" },
	{ "192.0.2.3", " a/24//64 ?all mx", " +a:n0.spf/24 ?all" },
	{ "2001:db8::1", " a/24//64 mx/24", " +a:n0.spf//64 +mx:n1.spf//128" },
	{ "192.0.2.3", " a/0//0", " +a:n0.spf" },
	{ "192.0.2.3", " ip4:192.0.3.0/24 ~ip4:192.0.2.2/31 -all", " ~all" },
	{ "192.0.2.3", " ip6:::/0 ip4:192.0.2.4/31 -all", " -all" },
	{ "2001:db8::1", " ip4:0.0.0.0/0 ?ip6:2001:db8::/32", " ?all" },
	{ "192.0.2.3", " redirect=y.example a",
	    " +a:n0.spf/32 redirect=n1.spf" },
	{ "192.0.2.3", " redirect=y.example -all", " -all" },
	{ "192.0.2.3", " foo=bar exp=%{d} -exists:%{i}.x.example",
	    " -exists:n0.spf" },
	{ "192.0.2.3", " ptr", " +exists:n0.spf" },
	{ "192.0.2.3", " a a a a a a a a a a a a a -all",
	    " +a:n0.spf/32 +a:n1.spf/32 +a:n2.spf/32 +a:n3.spf/32 +a:n4.spf/32"
	    " +a:n5.spf/32 +a:n6.spf/32 +a:n7.spf/32 +a:n8.spf/32 +a:n9.spf/32"
	    " +a:n10.spf/32" },
};

static void
test_seen(void)
{
	struct sbuf out;

	sbuf_init(&out, 480);
	for (size_t i = 0; i < nitems(seen); i++) {
		sbuf_reset(&out);
		fake_clear(&fake);
		spf = (struct spf){ .lookup = &fake.lookup,
			.who = subject(seen[i].ip) };
		(void)!spf_translate(&spf, span_str(seen[i].record),
		    SPAN("x.example"), &out);
		is_span(span_skip(sbuf_span(&out), 6), span_str(seen[i].want),
		    "from '%s'", seen[i].record);
	}
	sbuf_free(&out);
}

/* --- macros: the examples of RFC 7208 7.4, and more ------------------------------ */

static const struct {
	const char *ip, *spec, *want;
} macros[] = {
	{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
	{ "192.0.2.3", "%{o}", "email.example.com" },
	{ "192.0.2.3", "%{d}", "email.example.com" },
	{ "192.0.2.3", "%{d4}", "email.example.com" },
	{ "192.0.2.3", "%{d3}", "email.example.com" },
	{ "192.0.2.3", "%{d2}", "example.com" },
	{ "192.0.2.3", "%{d1}", "com" },
	{ "192.0.2.3", "%{dr}", "com.example.email" },
	{ "192.0.2.3", "%{d2r}", "example.email" },
	{ "192.0.2.3", "%{l}", "strong-bad" },
	{ "192.0.2.3", "%{l-}", "strong.bad" },
	{ "192.0.2.3", "%{lr}", "strong-bad" },
	{ "192.0.2.3", "%{lr-}", "bad.strong" },
	{ "192.0.2.3", "%{l1r-}", "strong" },
	{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}",
	    "3.2.0.192.in-addr._spf.example.com" },
	{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}",
	    "bad.strong.lp._spf.example.com" },
	{ "192.0.2.3", "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
	    "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
	{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
	    "3.2.0.192.in-addr.strong.lp._spf.example.com" },
	{ "192.0.2.3", "%{d2}.trusted-domains.example.net",
	    "example.com.trusted-domains.example.net" },
	{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
	    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	    "ip6._spf.example.com" },
	{ "192.0.2.3", "%{S}", "strong-bad%40email.example.com" },
	{ "192.0.2.3", "%{h}.", "mx.example.com" },
	{ "192.0.2.3", "a%%b%_c%-d", "a%b c%20d" },
	{ "192.0.2.3", "%{p}", "unknown" },
};

static void
test_macros(void)
{
	struct sbuf out;
	char spec[1000];

	sbuf_init(&out, 8192);
	for (size_t i = 0; i < nitems(macros); i++) {
		struct spf_subject who = subject(macros[i].ip);

		who.name = SPAN("unknown");
		sbuf_reset(&out);
		spf_macro_expand(&out, span_str(macros[i].spec), &who);
		is_str(out.s, macros[i].want, "%s", macros[i].spec);
	}
	sbuf_reset(&out);
	memset(spec, 'a', sizeof(spec));
	for (size_t i = 20; i < sizeof(spec); i += 20)
		spec[i] = '.';
	memcpy(spec + 990, "%{d}", 4);
	{
		struct spf_subject who = subject("192.0.2.3");

		spf_macro_expand(&out, span_of(spec, 994), &who);
	}
	ok(out.len <= 253 && out.len > 230 &&
		strstr(out.s, "email.example.com") == out.s + out.len - 17,
	    "a long name loses labels on its left: %zu octets", out.len);
	sbuf_free(&out);
}

/* --- whole checks ------------------------------------------------------------------ */

static char longest[60000];

static const struct {
	const char *name, *ip, *want;
	const char *zone[16];
} checks[] = {
	{ "no record", "192.0.2.3", "none",
	    { "email.example.com A 192.0.2.1" } },
	{ "the resolver fails", "192.0.2.3", "temperror",
	    { "email.example.com FAIL" } },
	{ "two records", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 -all",
		"email.example.com TXT v=spf1 +all" } },
	{ "loopback is not pass", "127.0.0.1", "fail",
	    { "email.example.com TXT v=spf1 -all" } },
	{ "nor is ::1", "::1", "fail",
	    { "email.example.com TXT v=spf1 -all" } },
	{ "loopback that is listed", "127.0.0.1", "pass",
	    { "email.example.com TXT v=spf1 a -all",
		"email.example.com A 127.0.0.1" } },
	{ "the network of a", "192.0.2.3", "pass",
	    { "email.example.com TXT v=spf1 a/24 -all",
		"email.example.com A 192.0.2.77" } },
	{ "not the network of a", "192.0.3.3", "fail",
	    { "email.example.com TXT v=spf1 a/24 -all",
		"email.example.com A 192.0.2.77" } },
	{ "mx, IPv6", "2001:db8::3", "softfail",
	    { "email.example.com TXT v=spf1 ~mx//64 -all",
		"email.example.com MX mx.example.com",
		"mx.example.com AAAA 2001:db8::1" } },
	{ "mx/0", "192.0.2.3", "pass",
	    { "email.example.com TXT v=spf1 mx/0 -all",
		"email.example.com MX mx.example.com",
		"mx.example.com A 198.51.100.1" } },
	{ "mx/0 without an address", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 mx/0 -all",
		"email.example.com MX mx.example.com" } },
	{ "an MX with a name of ours", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 mx -all",
		"email.example.com MX n0.spf", "n0.spf A 192.0.2.9" } },
	{ "include passes", "192.0.2.3", "neutral",
	    { "email.example.com TXT v=spf1 ?include:a.example -all",
		"a.example TXT v=spf1 +all" } },
	{ "include fails", "192.0.2.3", "softfail",
	    { "email.example.com TXT v=spf1 include:a.example ~all",
		"a.example TXT v=spf1 -all" } },
	{ "include of nothing", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 include:a.example ~all" } },
	{ "include times out", "192.0.2.3", "temperror",
	    { "email.example.com TXT v=spf1 include:a.example ~all",
		"a.example FAIL" } },
	{ "include of a bad record", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 include:a.example ~all",
		"a.example TXT v=spf1 bogus" } },
	{ "redirect", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 redirect=a.example",
		"a.example TXT v=spf1 -all" } },
	{ "redirect to nothing", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 redirect=a.example" } },
	{ "a loop", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 include:email.example.com" } },
	{ "a loop of redirects", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 redirect=a.example",
		"a.example TXT v=spf1 redirect=email.example.com" } },
	{ "two void look-ups", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 a:a.a a:b.b -all" } },
	{ "three void look-ups", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 a:a.a a:b.b exists:c.c -all" } },
	{ "ptr", "192.0.2.3", "pass",
	    { "email.example.com TXT v=spf1 ptr -all",
		"3.2.0.192.in-addr.arpa PTR forged.email.example.com",
		"3.2.0.192.in-addr.arpa PTR mx.email.example.com",
		"mx.email.example.com A 192.0.2.3" } },
	{ "a forged ptr", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 ptr -all",
		"3.2.0.192.in-addr.arpa PTR forged.email.example.com",
		"forged.email.example.com A 192.0.2.4" } },
	{ "a ptr that only ends alike", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 ptr:mail.example.com -all",
		"3.2.0.192.in-addr.arpa PTR email.example.com",
		"email.example.com A 192.0.2.3" } },
	{ "ptr without an answer", "192.0.2.3", "fail",
	    { "email.example.com TXT v=spf1 ptr -all",
		"3.2.0.192.in-addr.arpa FAIL" } },
	{ "%{p}", "192.0.2.3", "pass",
	    { "email.example.com TXT v=spf1 exists:%{p}.x.example -all",
		"3.2.0.192.in-addr.arpa PTR mx.example.org",
		"mx.example.org A 192.0.2.3",
		"mx.example.org.x.example A 127.0.0.2" } },
	{ "eleven MX hosts", "192.0.2.3", "permerror",
	    { "email.example.com TXT v=spf1 mx ~all",
		"email.example.com MX a.a", "email.example.com MX b.a",
		"email.example.com MX c.a", "email.example.com MX d.a",
		"email.example.com MX e.a", "email.example.com MX f.a",
		"email.example.com MX g.a", "email.example.com MX h.a",
		"email.example.com MX i.a", "email.example.com MX j.a",
		"email.example.com MX k.a" } },
	{ "a local-part of another kind", "192.0.2.3", "pass",
	    { "email.example.com TXT v=spf1 exists:%{l}.x.example -all",
		"strong-bad.x.example A 127.0.0.2" } },
	{ "a record of 60,000 octets", "192.0.2.3", "fail", { longest } },
};

static void
test_checks(void)
{
	size_t n = (size_t)sprintf(longest, "email.example.com TXT v=spf1");

	while (n < sizeof(longest) - 40)
		n += (size_t)sprintf(longest + n, " ip4:198.51.100.0/24");
	(void)sprintf(longest + n, " -ip4:192.0.2.0/24 +all");
	for (size_t i = 0; i < nitems(checks); i++) {
		struct spf_subject who = subject(checks[i].ip);

		fake_clear(&fake);
		for (size_t j = 0;
		     j < nitems(checks[i].zone) && checks[i].zone[j] != NULL;
		     j++)
			fake_add(&fake, span_str(checks[i].zone[j]));
		is_str(spf_result_text(spf_check(&fake.lookup, &who)),
		    checks[i].want, "%s", checks[i].name);
	}
}

/*
 * What overflows the library's stack (CVE-2023-42118): very many macros in
 * one term, and in the explanation.
 */
static void
test_crashers(void)
{
	static char zone[3][30000];
	struct spf_subject who = subject("192.0.2.3");
	static const char *const starts[] = {
		"email.example.com TXT v=spf1 exists:",
		"email.example.com TXT v=spf1 -all exp=",
		"email.example.com TXT v=spf1 redirect=",
	};

	for (size_t i = 0; i < nitems(starts); i++) {
		size_t n = (size_t)sprintf(zone[i], "%s", starts[i]);

		while (n < sizeof(zone[i]) - 40)
			n += (size_t)sprintf(zone[i] + n, "%%{l200r.-+}%%{s}");
		(void)sprintf(zone[i] + n, ".example.com");
		fake_clear(&fake);
		fake_add(&fake, span_str(zone[i]));
		ok(spf_check(&fake.lookup, &who) != SPF_FRONT_PASS,
		    "%zu octets of macros: '%s...'", n, starts[i] + 22);
	}
}

/* Every include has eleven more, and each of those: how often is asked? */
static void
test_bounded(void)
{
	static char zone[12][600];
	struct spf_subject who = subject("192.0.2.3");

	fake_clear(&fake);
	for (int i = 0; i < 12; i++) {
		size_t n = (size_t)sprintf(zone[i], "%s TXT v=spf1",
		    i == 0 ? "email.example.com" : "x.example.com");

		for (int j = 0; j < 20; j++)
			n += (size_t)sprintf(zone[i] + n,
			    " include:x.example.com");
		if (i < 2)
			fake_add(&fake, span_str(zone[i]));
	}
	ok(spf_check(&fake.lookup, &who) == SPF_FRONT_PERMERROR &&
		fake.lookup.queries <= 12,
	    "includes of includes: %u queries", fake.lookup.queries);
}

/* The library is given no octet of the sender's or the client's HELO. */
static void
test_sender(void)
{
	static char local[65], helo[256];
	struct spf_subject who = subject("192.0.2.3");

	memset(local, '%', 64);
	memset(helo, '{', 255);
	who.local = span_of(local, 64);
	who.helo = span_of(helo, 255);
	fake_clear(&fake);
	fake_add(&fake,
	    SPAN("email.example.com TXT v=spf1 "
		 "exists:%{s}%{h}.example.com ?all"));
	is_str(spf_result_text(spf_check(&fake.lookup, &who)), "neutral",
	    "odd octets of the sender's");
	who.sender_domain = SPAN("localhost");
	is_str(spf_result_text(spf_check(&fake.lookup, &who)), "none",
	    "a domain of one label has no record");
	who.sender_domain = SPAN("a..b");
	is_str(spf_result_text(spf_check(&fake.lookup, &who)), "none",
	    "nor has what is no domain");
}

int
main(void)
{
	fake_init(&fake);
	test_terms();
	test_seen();
	test_macros();
	test_checks();
	test_crashers();
	test_bounded();
	test_sender();
	return done();
}
