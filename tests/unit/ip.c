/* SPDX-License-Identifier: ISC */
/* Addresses as text, and the networks that they are in. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ip.h"
#include "tap.h"

static void
test_parse(void)
{
	static const struct {
		const char *text, *want; /* NULL: none */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "::1", "::1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "::192.0.2.1", "::192.0.2.1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.01", NULL },
		{ " 192.0.2.1", NULL },
		{ "192.0.2.1 ", NULL },
		{ "::1%lo", NULL },
		{ ":", NULL },
		{ "[::1]", NULL },
		{ "192.0.2.1/24", NULL },
		{ "0000:0000:0000:0000:0000:0000:192.000.002.001", NULL },
		{ "0000:0000:0000:0000:0000:0000:1192.000.002.001", NULL },
		{ "fe80::1::2", NULL },
		{ "localhost", NULL },
		{ "::ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", NULL },
	};

	for (size_t i = 0; i < nitems(cases); i++) {
		char text[IP_TEXT] = "";
		struct ip ip;
		bool good = ip_parse(span_str(cases[i].text), &ip);

		if (good)
			ip_text(&ip, text);
		ok(good == (cases[i].want != NULL) &&
			(!good || strcmp(text, cases[i].want) == 0),
		    "'%s' is %s", cases[i].text, good ? text : "none");
	}
	ok(!ip_parse(SPAN("192.0.2.1\0"), (struct ip[1]){ { .size = 0 } }),
	    "a NUL is no end");
}

static void
test_unknown(void)
{
	struct ip none = { .size = 0 };
	char text[IP_TEXT] = "x";
	int pair[2];

	ip_text(&none, text);
	is_str(text, "", "an unknown address has no text");
	ok(!ip_in_networks("0.0.0.0/0 ::/0", &none), "and is in no network");
	if (pipe(pair) == 0)
		is_num(ip_of_peer(pair[0]).size, 0, "a pipe has no peer");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
		is_num(ip_of_peer(pair[0]).size, 0, "nor has a UNIX socket");
	is_num(ip_of_peer(-1).size, 0, "nor has no descriptor");
}

/* A connection over loopback in this family: whom does the server see? */
static void
test_peer(int family, bool mapped, const char *want)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	void *address = family == AF_INET ? (void *)&v4 : (void *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int server = socket(family, SOCK_STREAM, 0), client, conn;
	char text[IP_TEXT];
	struct ip ip;

	if (mapped) {
		v6.sin6_addr = (struct in6_addr)IN6ADDR_ANY_INIT;
		v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
		v6.sin6_addr.s6_addr[12] = 127;
		v6.sin6_addr.s6_addr[15] = 1;
	}
	client = socket(family, SOCK_STREAM, 0);
	if (bind(server, address, len) != 0 || listen(server, 1) != 0 ||
	    getsockname(server, address, &len) != 0 ||
	    connect(client, address, len) != 0) {
		skipped("no %s here", want);
		return;
	}
	conn = accept(server, NULL, NULL);
	ip = ip_of_peer(conn);
	ip_text(&ip, text);
	is_str(text, want, "the peer%s", mapped ? ", mapped" : "");
	close(conn);
	close(client);
	close(server);
}

static void
test_valid(void)
{
	static const char *const good[] = {
		"192.0.2.1",
		"192.0.2.0/24",
		"0.0.0.0/0",
		"128.0.0.0/1",
		"192.0.2.1/32",
		"::/0",
		"2001:db8::/32",
		"::1/128",
		"::1",
		"::ffff:192.0.2.0/120",
		"::ffff:192.0.2.1",
		"::ffff:0:0/96",
	};
	static const char *const bad[] = {
		"",
		"/",
		"/24",
		"192.0.2.1/24",
		"192.0.2.0/33",
		"192.0.2.0/",
		"192.0.2.0/-1",
		"192.0.2.0/+8",
		"192.0.2.0/ 8",
		"192.0.2/24",
		"192.0.2.0/24/24",
		"192.0.2.0/4294967320",
		"128.0.0.0/0",
		"::1/127",
		"2001:db8::/129",
		"::ffff:192.0.2.0/24",
		"::ffff:192.0.2.0/95",
		"::ffff:192.0.2.1/120",
		"example.com",
		"192.0.2.0/255.255.255.0",
	};

	for (size_t i = 0; i < nitems(good); i++)
		ok(ip_is_network(span_str(good[i])), "network %s", good[i]);
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!ip_is_network(span_str(bad[i])), "no network '%s'", bad[i]);
}

static void
test_match(void)
{
	static const struct {
		const char *list, *ip;
		bool in;
	} cases[] = {
		{ "", "192.0.2.1", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/25", "192.0.2.127", true },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "0.0.0.0/0", "192.0.2.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false },
		{ "::/0", "::ffff:192.0.2.1", false },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
		{ "::ffff:192.0.2.0/120", "192.0.2.9", true },
		{ "::ffff:192.0.2.0/120", "192.0.3.9", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "10.0.0.0/8  192.0.2.1\t2001:db8::/32 ", "2001:db8::1",
		    true },
		{ " 10.0.0.0/8 192.0.2.1", "192.0.2.1", true },
		{ "::c000:201", "192.0.2.1", false },
		{ "192.0.2.0", "192.0.2.1", false },
	};

	for (size_t i = 0; i < nitems(cases); i++) {
		struct ip ip;

		ok(ip_parse(span_str(cases[i].ip), &ip) &&
			ip_in_networks(cases[i].list, &ip) == cases[i].in,
		    "%s is %sin '%s'", cases[i].ip, cases[i].in ? "" : "not ",
		    cases[i].list);
	}
}

int
main(void)
{
	test_parse();
	test_unknown();
	test_peer(AF_INET, false, "127.0.0.1");
	test_peer(AF_INET6, true, "127.0.0.1");
	test_peer(AF_INET6, false, "::1");
	test_valid();
	test_match();
	return done();
}
