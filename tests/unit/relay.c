/* SPDX-License-Identifier: ISC */
/* The table of the closed relay: every trick, and what it gets. */
#include "relay.h"
#include "tap.h"

#define L RELAY_LOCAL
#define R RELAY_REMOTE
#define D RELAY_DENIED

/*
 * local_domains: example.com Mail.Example.ORG; relay_clients: 192.0.2.0/24
 * 2001:db8::/32. stranger: 198.51.100.1, 2001:db9::1 and an unknown address;
 * client: one of either network, also as a mapped address.
 */
static const struct {
	const char *forward;
	enum relay_verdict stranger, client;
} table[] = {
	/* At home, however it is written. */
	{ "<user@example.com>", L, L },
	{ "<user@EXAMPLE.com>", L, L },
	{ "<user@mail.example.org>", L, L },
	{ "<user+detail=x@example.com>", L, L },
	{ "<\"user\"@example.com>", L, L },
	{ "<\"us er\"@example.com>", L, L },
	{ "<postmaster>", L, L },
	{ "<PostMaster>", L, L },
	/* Elsewhere. */
	{ "<user@example.net>", D, R },
	{ "<user@com>", D, R },
	/* Nearly at home. */
	{ "<user@xexample.com>", D, R },
	{ "<user@example.comx>", D, R },
	{ "<user@sub.example.com>", D, R },
	{ "<user@example.co>", D, R },
	{ "<user@xample.com>", D, R },
	{ "<user@example>", D, R },
	{ "<user@org>", D, R },
	{ "<user@example.org>", D, R },
	/* The route is left out: what stands behind it decides. */
	{ "<@example.com:user@example.net>", D, R },
	{ "<@example.com,@example.com:user@example.net>", D, R },
	{ "<@example.net:user@example.com>", L, L },
	/* Percent hack, bang path, an @ that quotes hide. */
	{ "<user%example.net@example.com>", D, D },
	{ "<%@example.com>", D, D },
	{ "<user%example.com@example.net>", D, R },
	{ "<example.net!user@example.com>", D, D },
	{ "<!user@example.com>", D, D },
	{ "<\"user@example.net\"@example.com>", D, D },
	{ "<\"user\\@example.net\"@example.com>", D, D },
	{ "<\"@example.net:user\"@example.com>", D, D },
	{ "<\"user@example.com\"@example.net>", D, R },
	{ "<\"user%example.net\"@example.com>", L, L },
	{ "<\"a!b\"@example.com>", L, L },
	{ "<@example.net:user%example.net@example.com>", D, D },
	/* A literal is never local. */
	{ "<user@[127.0.0.1]>", D, R },
	{ "<user@[192.0.2.1]>", D, R },
	{ "<user@[IPv6:::1]>", D, R },
	{ "<user@[IPv6:::ffff:127.0.0.1]>", D, R },
};

static const char *const strangers[] = { "198.51.100.1", "2001:db9::1",
	"::ffff:198.51.100.1", "::192.0.2.7", "" };
static const char *const clients[] = { "192.0.2.7", "2001:db8::7",
	"::ffff:192.0.2.7" };

/* No path: the grammar lets none of these come to the decision. */
static const char *const no_path[] = {
	"<user@example.com.>",
	"<user@example.net.>",
	"<user@.example.com>",
	"<user@example.com@example.net>",
	"<user@example.net@example.com>",
	"<user@example.com>@example.net>",
	"<user@example.com,example.net>",
	"<user@example.com >",
	"<user@example.com\t>",
	"<\"user\"@example.net\"@example.com>",
	"<user@example.com%00>",
	"<user@example.com:25>",
	"<user@example.com/x>",
	"<@example.com>",
	"<user@[example.com]>",
	"<user@\"example.com\">",
	"<user>",
	"<>",
	"<user@[127.0.0.1>",
	"<user@127.0.0.1]>",
	"<@example.com:>",
	"<user@example.com(comment)>",
	"<@example.net:postmaster>",
};

static const char *
name_of(enum relay_verdict v)
{
	switch (v) {
	case RELAY_LOCAL:
		return "local";
	case RELAY_REMOTE:
		return "remote";
	case RELAY_DENIED:
		return "denied";
	}
	return "?";
}

static struct ip
ip_of(const char *text)
{
	struct ip ip = { .size = 0 };

	if (*text != '\0' && !ip_parse(span_str(text), &ip))
		abort();
	return ip;
}

static void
check(const struct conf *c, const char *from, const char *path,
    enum relay_verdict want)
{
	struct span s = span_str(path);
	struct ip ip = ip_of(from);
	struct address a;
	enum relay_verdict got;

	if (address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK || s.n > 0) {
		ok(false, "%s is a path", path);
		return;
	}
	got = relay_decide(c, &ip, &a);
	if (!ok(got == want, "%s for %s: %s", path,
		*from == '\0' ? "unknown" : from, name_of(want)))
		note("it is %s", name_of(got));
}

static void
test_table(const struct conf *c)
{
	for (size_t i = 0; i < nitems(table); i++) {
		for (size_t j = 0; j < nitems(strangers); j++)
			check(c, strangers[j], table[i].forward,
			    table[i].stranger);
		for (size_t j = 0; j < nitems(clients); j++)
			check(c, clients[j], table[i].forward, table[i].client);
	}
}

/* A user's mail goes anywhere: the question is only which way. */
static void
test_user(const struct conf *c)
{
	for (size_t i = 0; i < nitems(table); i++) {
		struct span s = span_str(table[i].forward);
		enum relay_verdict want = table[i].stranger, got;
		struct address a;

		if (address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK)
			continue;
		got = relay_for_user(c, &a);
		ok(got != RELAY_DENIED && (want != RELAY_LOCAL || got == want),
		    "%s for a user", table[i].forward);
	}
}

static void
test_no_path(void)
{
	for (size_t i = 0; i < nitems(no_path); i++) {
		struct span s = span_str(no_path[i]);
		struct address a;

		ok(address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK ||
			s.n > 0,
		    "%s is no path", no_path[i]);
	}
}

/* As it comes out of the box: nobody relays, not even this host. */
static void
test_closed(const struct conf *c)
{
	check(c, "127.0.0.1", "<user@example.net>", D);
	check(c, "::1", "<user@example.net>", D);
	check(c, "", "<user@example.net>", D);
	check(c, "198.51.100.1", "<user@mx.example.com>", L);
	check(c, "198.51.100.1", "<user@example.com>", D);
}

static void
set(struct conf *c, const char *name, const char *value)
{
	struct conf_where where;

	if (conf_set(c, span_str(name), span_str(value), &where) != CONF_OK)
		abort();
}

int
main(void)
{
	struct conf_where where;
	struct conf c;

	conf_init(&c);
	set(&c, "hostname", "mx.example.com");
	if (conf_finish(&c, &where) != CONF_OK)
		abort();
	test_closed(&c);
	set(&c, "local_domains", "example.com Mail.Example.ORG");
	set(&c, "relay_clients", "192.0.2.0/24 2001:db8::/32");
	test_table(&c);
	test_user(&c);
	test_no_path();
	conf_free(&c);
	return done();
}
