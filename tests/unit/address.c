/* SPDX-License-Identifier: ISC */
/* Paths, mailboxes, domains and literals of RFC 5321. */
#include "address.h"
#include "tap.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X63 X60 "xxx"
#define D248 X60 "x." X60 "x." X60 "x." X60 "x." /* four labels */

static const char *
result_name(enum address_result r)
{
	switch (r) {
	case ADDRESS_OK:
		return "ok";
	case ADDRESS_SYNTAX:
		return "syntax";
	case ADDRESS_LOCAL_TOO_LONG:
		return "local too long";
	case ADDRESS_DOMAIN_TOO_LONG:
		return "domain too long";
	case ADDRESS_PATH_TOO_LONG:
		return "path too long";
	case ADDRESS_UTF8:
		return "utf-8";
	}
	return "?";
}

static const struct {
	const char *text;
	enum address_result want;
	const char *whole, *local, *domain, *rest;
} paths[] = {
	{ "<a@b.example>", ADDRESS_OK, "a@b.example", "a", "b.example", "" },
	{ "<a@b.example> SIZE=1", ADDRESS_OK, "a@b.example", "a", "b.example",
	    " SIZE=1" },
	{ "<A.b+c=d@E>", ADDRESS_OK, "A.b+c=d@E", "A.b+c=d", "E", "" },
	{ "<\"a b\"@c>", ADDRESS_OK, "\"a b\"@c", "\"a b\"", "c", "" },
	{ "<\"a\\\"@>b\"@c>x", ADDRESS_OK, "\"a\\\"@>b\"@c", "\"a\\\"@>b\"",
	    "c", "x" },
	{ "<\"\"@c>", ADDRESS_OK, "\"\"@c", "\"\"", "c", "" },
	{ "<a@[192.0.2.1]>", ADDRESS_OK, "a@[192.0.2.1]", "a", "[192.0.2.1]",
	    "" },
	{ "<a@[IPv6:2001:db8::1]>", ADDRESS_OK, "a@[IPv6:2001:db8::1]", "a",
	    "[IPv6:2001:db8::1]", "" },
	{ "<@r.example:a@b>", ADDRESS_OK, "a@b", "a", "b", "" },
	{ "<@r.example,@s:a@b>", ADDRESS_OK, "a@b", "a", "b", "" },
	{ "<@r.example,@s:\"@t:\"@b>", ADDRESS_OK, "\"@t:\"@b", "\"@t:\"", "b",
	    "" },
	{ "", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "a@b", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ " <a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "< a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b >", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<<a@b>>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<.a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a.@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a..b@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a b@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a(b)@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b.>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@.b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b..c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@-b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b->", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b_c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@b\tc>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a\"b@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a\".b@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a\\", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a\tb\"@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\"a\\\tb\"@c>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@r:>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@r,s:a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@r,:a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@:a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@[192.0.2.1]:a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@r:@s:a@b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<@r:postmaster>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@[192.0.2.1>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@[192.0.2.1]b>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@[Foo:bar]>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<\xc3\xa9@b>", ADDRESS_UTF8, 0, 0, 0, 0 },
	{ "<\"\xc3\xa9\"@b>", ADDRESS_UTF8, 0, 0, 0, 0 },
	{ "<a@b\xc3\xa9.example>", ADDRESS_UTF8, 0, 0, 0, 0 },
	{ "<a b@c> \xc3\xa9", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	/* 4.5.3.1: the limits, and one octet more. */
	{ "<" X60 "xxxx@b>", ADDRESS_OK, X60 "xxxx@b", X60 "xxxx", "b", "" },
	{ "<" X60 "xxxxx@b>", ADDRESS_LOCAL_TOO_LONG, 0, 0, 0, 0 },
	{ "<\"" X60 "xx\"@b>", ADDRESS_OK, "\"" X60 "xx\"@b", "\"" X60 "xx\"",
	    "b", "" },
	{ "<\"" X60 "xxx\"@b>", ADDRESS_LOCAL_TOO_LONG, 0, 0, 0, 0 },
	{ "<a@" X63 ">", ADDRESS_OK, "a@" X63, "a", X63, "" },
	{ "<a@" X63 "x>", ADDRESS_SYNTAX, 0, 0, 0, 0 },
	{ "<a@" D248 "xxxx>", ADDRESS_OK, "a@" D248 "xxxx", "a", D248 "xxxx",
	    "" },
	{ "<a@" D248 "xxxxx>", ADDRESS_PATH_TOO_LONG, 0, 0, 0, 0 },
	{ "<a@" D248 "xxxxxxx>", ADDRESS_PATH_TOO_LONG, 0, 0, 0, 0 },
	{ "<a@" D248 "xxxxxxxx>", ADDRESS_DOMAIN_TOO_LONG, 0, 0, 0, 0 },
	{ "<a@" X60 X60 X60 X60 X60 ">", ADDRESS_DOMAIN_TOO_LONG, 0, 0, 0, 0 },
	{ "<@" D248 "xxxxxxx:a@b>", ADDRESS_PATH_TOO_LONG, 0, 0, 0, 0 },
	{ "<@" D248 "xxxxxxxx:a@b>", ADDRESS_DOMAIN_TOO_LONG, 0, 0, 0, 0 },
};

/*
 * The text in memory that ends where it ends, so that a sanitizer sees a
 * look at one octet too many.
 */
static struct span
exact(const char *text)
{
	size_t n = strlen(text);
	char *p = malloc(n > 0 ? n : 1);

	if (p == NULL)
		abort();
	memcpy(p, text, n);
	return span_of(p, n);
}

static void
drop(struct span s)
{
	free((void *)(uintptr_t)s.p);
}

static bool
holds(bool (*is)(struct span), const char *text)
{
	struct span s = exact(text);
	bool result = is(s);

	drop(s);
	return result;
}

static enum address_result
mailbox(const char *text)
{
	struct span s = exact(text);
	struct address a;
	enum address_result result = address_mailbox(s, &a);

	drop(s);
	return result;
}

static void
check_path(const char *text, enum address_path kind, enum address_result want,
    const char *const parts[4])
{
	struct span s = exact(text), rest = s;
	struct address a;
	enum address_result got = address_path(&rest, kind, &a);

	if (got != want)
		ok(false, "%.40s: %s, not %s", text, result_name(got),
		    result_name(want));
	else if (got != ADDRESS_OK)
		ok(rest.p == s.p && rest.n == s.n, "%.40s: %s", text,
		    result_name(got));
	else
		ok(span_eq(a.whole, span_str(parts[0])) &&
			span_eq(a.local, span_str(parts[1])) &&
			span_eq(a.domain, span_str(parts[2])) &&
			span_eq(rest, span_str(parts[3])) &&
			a.quoted == (parts[1][0] == '"') &&
			a.literal == (parts[2][0] == '['),
		    "%.40s", text);
	drop(s);
}

static void
test_paths(void)
{
	static const char *const nothing[] = { "", "", "", "" };
	static const char *const more[] = { "", "", "", " BODY=8BITMIME" };
	static const char *const postmaster[] = {
		"PostMaster",
		"PostMaster",
		"",
		"",
	};

	for (size_t i = 0; i < nitems(paths); i++) {
		const char *const parts[] = { paths[i].whole, paths[i].local,
			paths[i].domain, paths[i].rest };

		check_path(paths[i].text, ADDRESS_REVERSE, paths[i].want,
		    parts);
		check_path(paths[i].text, ADDRESS_FORWARD, paths[i].want,
		    parts);
	}
	check_path("<>", ADDRESS_REVERSE, ADDRESS_OK, nothing);
	check_path("<> BODY=8BITMIME", ADDRESS_REVERSE, ADDRESS_OK, more);
	check_path("<>", ADDRESS_FORWARD, ADDRESS_SYNTAX, nothing);
	check_path("< >", ADDRESS_REVERSE, ADDRESS_SYNTAX, nothing);
	check_path("<PostMaster>", ADDRESS_FORWARD, ADDRESS_OK, postmaster);
	check_path("<PostMaster>", ADDRESS_REVERSE, ADDRESS_SYNTAX, nothing);
	check_path("<postmasters>", ADDRESS_FORWARD, ADDRESS_SYNTAX, nothing);
	check_path("<\"postmaster\">", ADDRESS_FORWARD, ADDRESS_SYNTAX,
	    nothing);
}

/* Every octet, alone in a local-part, in quotes, behind a backslash. */
static void
test_octets(void)
{
	bool good = true;

	for (unsigned c = 0; c < 256; c++) {
		char atom[] = "a_b@c", quoted[] = "\"_\"@c",
		     pair[] = "\"\\_\"@c";
		bool print = c >= ' ' && c <= '~';
		bool atext = print &&
		    strchr(" ()<>[]:;@\\,\".", (int)c) == NULL;
		struct address a;

		atom[1] = quoted[1] = pair[2] = (char)c;
		if ((address_mailbox(span_of(atom, 5), &a) == ADDRESS_OK) !=
		    (atext || c == '.'))
			good = ok(false, "octet %02x in an atom", c);
		if ((address_mailbox(span_of(quoted, 5), &a) == ADDRESS_OK) !=
		    (print && c != '"' && c != '\\'))
			good = ok(false, "octet %02x in quotes", c);
		if ((address_mailbox(span_of(pair, 6), &a) == ADDRESS_OK) !=
		    print)
			good = ok(false, "octet %02x quoted", c);
	}
	ok(good, "every octet where it may stand");
}

static void
test_mailbox(void)
{
	static const struct {
		const char *text;
		enum address_result want;
	} cases[] = {
		{ "a@b", ADDRESS_OK },
		{ "", ADDRESS_SYNTAX },
		{ "a", ADDRESS_SYNTAX },
		{ "a.", ADDRESS_SYNTAX },
		{ "a@", ADDRESS_SYNTAX },
		{ "a@b.", ADDRESS_SYNTAX },
		{ "\"a", ADDRESS_SYNTAX },
		{ "\"a\\", ADDRESS_SYNTAX },
		{ "a@[", ADDRESS_SYNTAX },
		{ "<a@b>", ADDRESS_SYNTAX },
		{ "@r:a@b", ADDRESS_SYNTAX },
		{ "a@b c", ADDRESS_SYNTAX },
		{ "a@b@c", ADDRESS_SYNTAX },
		{ "a@" D248 "xxxx", ADDRESS_OK },
		{ "a@" D248 "xxxxx", ADDRESS_PATH_TOO_LONG },
		{ "\xc3\xa9@b", ADDRESS_UTF8 },
		{ "a\x80@b", ADDRESS_UTF8 },
		{ "a\x7f@b", ADDRESS_SYNTAX },
		{ "a\xff", ADDRESS_UTF8 },
	};

	for (size_t i = 0; i < nitems(cases); i++)
		is_str(result_name(mailbox(cases[i].text)),
		    result_name(cases[i].want), "mailbox %zu", i);
}

static void
test_domains(void)
{
	static const char *const good[] = {
		"a",
		"a.b",
		"A-1.2",
		"xn--x.example",
		"1.2.3.4",
		X63,
		D248 "xxxxxxx",
	};
	static const char *const bad[] = {
		"",
		".",
		"a.",
		".a",
		"a..b",
		"-a",
		"a-",
		"a.-b",
		"a_b",
		"a b",
		"[192.0.2.1]",
		"a@b",
		X63 "x",
		D248 "xxxxxxxx",
		"\xc3\xa9",
	};

	for (size_t i = 0; i < nitems(good); i++)
		ok(holds(address_is_domain, good[i]), "domain %.40s", good[i]);
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!holds(address_is_domain, bad[i]), "no domain %.40s",
		    bad[i]);
}

static void
test_literals(void)
{
	static const char *const good[] = {
		"[192.0.2.1]",
		"[0.0.0.0]",
		"[192.0.2.001]",
		"[255.255.255.255]",
		"[IPv6:::]",
		"[IPv6:::1]",
		"[ipv6:2001:db8::1]",
		"[IPv6:1:2:3:4:5:6:7:8]",
		"[IPv6:1::8]",
		"[IPv6:1:2:3:4:5:6::]",
		"[IPv6:::3:4:5:6:7:8]",
		"[IPv6:::ffff:192.0.2.1]",
		"[IPv6:1:2:3:4:5:6:192.0.2.1]",
		"[IPv6:1:2:3:4::192.0.2.1]",
		"[IPv6:ABCD:abcd::0001]",
		"[IPv6:1::]",
	};
	static const char *const bad[] = {
		"",
		"[",
		"[]",
		"]",
		"192.0.2.1",
		"[192.0.2]",
		"[192.0.2.]",
		"[192.0.2.1.]",
		"[.192.0.2.1]",
		"[192.0.2.1.1]",
		"[192.0.2.1",
		"192.0.2.1]",
		"x192.0.2.1]",
		"[192.0.2.1x",
		"[192.0.2.256]",
		"[192.0.2.0001]",
		"[192.0.2.-1]",
		"[192.0.2.+1]",
		"[192.0.2. 1]",
		"[192.0.2.0x1]",
		"[::1]",
		"[2001:db8::1]",
		"[IPv6:]",
		"[IPv6::]",
		"[IPv6:192.0.2.1]",
		"[IPv6:1:2:3:4:5:6:7]",
		"[IPv6:1:2:3:4:5:6:7:8:9]",
		"[IPv6:1:2:3:4:5:6:7::]",
		"[IPv6:::2:3:4:5:6:7:8]",
		"[IPv6:1::2::3]",
		"[IPv6:1:::3]",
		"[IPv6::1]",
		"[IPv6:1:]",
		"[IPv6:1::2:]",
		"[IPv6:12345::]",
		"[IPv6:g::]",
		"[IPv6:192.0.2.1::]",
		"[IPv6:1:192.0.2.1::2]",
		"[IPv6:1:2:3:4:5::192.0.2.1]",
		"[IPv6:::1%eth0]",
		"[IPv4:192.0.2.1]",
		"[x:y]",
		"[[192.0.2.1]]",
	};

	for (size_t i = 0; i < nitems(good); i++)
		ok(holds(address_is_literal, good[i]), "literal %s", good[i]);
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!holds(address_is_literal, bad[i]), "no literal %s", bad[i]);
}

static void
test_unquote(void)
{
	static const char *const pairs[][2] = {
		{ "joe@b", "joe" },
		{ "\"joe\"@b", "joe" },
		{ "\"j\\oe\"@b", "joe" },
		{ "\"a b\"@b", "a b" },
		{ "\"a\\\"b\\\\\"@b", "a\"b\\" },
		{ "\"\"@b", "" },
		{ "Joe.B@b", "Joe.B" },
	};

	for (size_t i = 0; i < nitems(pairs); i++) {
		struct address a;
		struct sbuf b;

		sbuf_init(&b, ADDRESS_LOCAL_MAX);
		if (address_mailbox(span_str(pairs[i][0]), &a) == ADDRESS_OK)
			address_unquote(&b, &a);
		is_str(b.s, pairs[i][1], "%s means", pairs[i][0]);
		sbuf_free(&b);
	}
}

int
main(void)
{
	test_paths();
	test_octets();
	test_mailbox();
	test_domains();
	test_literals();
	test_unquote();
	return done();
}
