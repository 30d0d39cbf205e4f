/* SPDX-License-Identifier: ISC */
/* Where mail goes: the tables of routes, right and wrong. */
#include "route.h"

#include "tap.h"

static const char *
find(const char *routes, const char *smarthost, const char *domain)
{
	static struct sbuf b;
	struct conf conf = { .routes = routes, .smarthost = smarthost };

	if (b.s == NULL)
		sbuf_init(&b, ROUTE_MAX);
	sbuf_reset(&b);
	route_find(&b, &conf, span_str(domain));
	return b.bad ? "bad" : b.s;
}

static void
domains_find_their_way(void)
{
	static const char table[] =
	    "a.test=[192.0.2.1]:2525 .a.test=relay.test "
	    "B.Test=[v.example.net] .deep.a.test=[::1]:26 c.test=- "
	    ".c.test=mx.test:587 d.test=192.0.2.4 e.test=192.0.2.5:26 "
	    "f.test=[IPv6:2001:db8::1]";
	static const struct {
		const char *domain, *smarthost, *want;
	} cases[] = {
		{ "other.test", "", "mx other.test" },
		{ "Other.TEST", "", "mx other.test" },
		{ "a.test", "", "host 192.0.2.1 2525" },
		{ "x.a.test", "", "mx relay.test" },
		{ "x.deep.a.test", "", "host ::1 26" },
		{ "deep.a.test", "", "mx relay.test" },
		{ "xa.test", "", "mx xa.test" },
		{ "b.test", "", "host v.example.net" },
		{ "x.b.test", "", "mx x.b.test" },
		{ "c.test", "[10.0.0.1]", "mx c.test" },
		{ "x.c.test", "", "mx mx.test 587" },
		{ "d.test", "", "host 192.0.2.4" },
		{ "e.test", "", "host 192.0.2.5 26" },
		{ "f.test", "", "host 2001:db8::1" },
		{ "other.test", "[10.0.0.1]:25", "host 10.0.0.1 25" },
		{ "other.test", "[relay.test]:465", "host relay.test 465 tls" },
		{ "other.test", "relay.test:465", "mx relay.test 465" },
		{ "other.test", "smart.test", "mx smart.test" },
		{ "[192.0.2.9]", "", "mx [192.0.2.9]" },
	};

	for (size_t i = 0; i < nitems(cases); i++)
		is_span(span_str(find(table, cases[i].smarthost,
			    cases[i].domain)),
		    span_str(cases[i].want), "%s", cases[i].domain);
	is_span(span_str(find("", "", "a.test")), SPAN("mx a.test"),
	    "without a table");
}

static void
words_are_checked(void)
{
	static const char *const good[] = { "a.test=b.test", ".a.test=-",
		"a.test=b.test:25", "a=[b]", "a=[::1]", "a=[::1]:1",
		"a=[IPv6:::1]", "a=1.2.3.4:65535" };
	static const char *const bad[] = { "", "=", "a.test", "a.test=", ".=b",
		"=b.test", "a.test=:25", "a.test=b:0", "a.test=b:65536",
		"a.test=b:", "a.test=[b", "a.test=[]", "a.test=[b]25",
		"a.test=[b]:", "a.test=b:25:26", "a.test=::1", "a b=c",
		"a..b=c", "*.a=b", "..a=b", "a=b/c", "a=[b]:x" };

	for (size_t i = 0; i < nitems(good); i++)
		ok(route_valid(span_str(good[i])), "good: %s", good[i]);
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!route_valid(span_str(bad[i])), "bad: '%s'", bad[i]);
}

int
main(void)
{
	domains_find_their_way();
	words_are_checked();
	return done();
}
