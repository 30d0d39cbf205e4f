/* SPDX-License-Identifier: ISC */
/* Address lists, as RFC 5322 and the programs of this world write them. */
#include "tap.h"

#include "../../smtpd-queue/addrlist.h"

struct list_case {
	const char *list;
	const char *want; /* each with a blank; "BAD " where it ends so */
};

static const struct list_case cases[] = {
	{ "", "" },
	{ " \r\n\t", "" },
	{ "a@b", "a@b " },
	{ "a", "a " },
	{ "a, b ,c", "a b c " },
	{ ",,a,,b,,", "a b " },
	{ "<a@b>", "a@b " },
	{ "Joe <a@b>", "a@b " },
	{ "Joe Q. Public <a@b>", "a@b " },
	{ "Joe<a@b>", "a@b " },
	{ "\"Doe, J.\" <a@b>, c", "a@b c " },
	{ "\"a\\\"b\" <c@d>", "c@d " },
	{ "=?UTF-8?Q?J=C3=B6?= <a@b>", "a@b " },
	{ "J\xc3\xb6 <a@b>", "a@b " },
	{ "a@b (Joe)", "a@b " },
	{ "(x(y\\)z)) a (1) @ (2) b (3)", "a@b " },
	{ "a . b @ c . d", "a.b@c.d " },
	{ "\"x y\"@b", "\"x y\"@b " },
	{ "\"x,y\"@b, <\"@\"@c>", "\"x,y\"@b \"@\"@c " },
	{ "\"x\r\n y\"@b", "\"x y\"@b " },
	{ "a@[192.0.2.1], b@[IPv6:2001:db8::1]",
	    "a@[192.0.2.1] b@[IPv6:2001:db8::1] " },
	{ "grp:;", "" },
	{ "undisclosed-recipients:;", "" },
	{ "undisclosed recipients: ;", "" },
	{ "A Group: a@b, Joe <c@d>;, e", "a@b c@d e " },
	{ "g: a; h: b;", "a b " },
	{ "g: a", "a " },
	{ "g:;,a", "a " },
	{ "a,\r\n\tb,\r\n c", "a b c " },
	{ "a,\n b", "a b " },
	{ "<@x,@y:a@b>", "a@b " },
	{ "Joe <@x:a@b>", "a@b " },
	{ "\"Joe\" (x) <a@b> (y)", "a@b " },
	{ "a;", "BAD " },
	{ "a b", "BAD " },
	{ "Joe Doe, a", "BAD " },
	{ "a, b c, d", "a BAD " },
	{ "<a b>", "BAD " },
	{ "<a@b", "BAD " },
	{ "<>", "BAD " },
	{ "a>", "BAD " },
	{ "<a><b>", "BAD " },
	{ "<a> b", "BAD " },
	{ "<a> .", "BAD " },
	{ "<<a>>", "BAD " },
	{ "<a,b>", "BAD " },
	{ "<a:b>", "BAD " },
	{ ":a;", "BAD " },
	{ "g: h: a;", "BAD " },
	{ "\"a", "BAD " },
	{ "\"a\\", "BAD " },
	{ "a (b", "BAD " },
	{ "a@[b", "BAD " },
};

static void
run(const struct list_case *c)
{
	enum addrlist_event e;
	struct sbuf got, one;
	struct addrlist l;

	sbuf_init(&got, 4096);
	sbuf_init(&one, 64);
	addrlist_init(&l, span_str(c->list));
	while ((e = addrlist_next(&l, &one)) == ADDRLIST_ADDRESS) {
		sbuf_addspan(&got, sbuf_span(&one));
		sbuf_putc(&got, ' ');
	}
	if (e == ADDRLIST_BAD)
		sbuf_adds(&got, "BAD ");
	ok(strcmp(got.s, c->want) == 0, "list %d: want %s", (int)(c - cases),
	    c->want);
	sbuf_free(&one);
	sbuf_free(&got);
}

/* One that does not fit is no address; a name before one may be long. */
static void
bounds(void)
{
	struct addrlist l;
	struct sbuf one;

	sbuf_init(&one, 8);
	addrlist_init(&l, SPAN("123456789"));
	ok(addrlist_next(&l, &one) == ADDRLIST_BAD, "one too long is bad");
	addrlist_init(&l, SPAN("12345678"));
	ok(addrlist_next(&l, &one) == ADDRLIST_ADDRESS,
	    "one that fits is fine");
	addrlist_init(&l, SPAN("\"a long name\" <a@b>, c"));
	ok(addrlist_next(&l, &one) == ADDRLIST_ADDRESS &&
		span_eq(sbuf_span(&one), SPAN("a@b")),
	    "a name may be longer");
	sbuf_free(&one);
}

int
main(void)
{
	for (size_t i = 0; i < nitems(cases); i++)
		run(&cases[i]);
	bounds();
	return done();
}
