/* SPDX-License-Identifier: ISC */
/* Whose addresses are whose. */
#include "../../smtpd-queue/submission.h"

#include <stdlib.h>

#include "tap.h"

static struct conf conf = { .local_domains = "example.com Example.org" };

static void
map(struct author *a, const char *name, const char *senders)
{
	author_free(a);
	if (!author_init(a, &conf, span_str(name)))
		abort();
	ok(author_read(a, span_str(senders)), "the map is read");
}

static void
sends(const struct author *a, const char *address, bool want)
{
	struct address x;

	if (address_mailbox(span_str(address), &x) != ADDRESS_OK)
		abort();
	ok(author_may_send(a, &x) == want, "%s %s %s", a->name,
	    want ? "is" : "is not", address);
}

static void
writes(const struct author *a, const char *list, bool want)
{
	ok(author_may_write(a, span_str(list)) == want, "%s %s: %s", a->name,
	    want ? "writes" : "does not write", list);
}

int
main(void)
{
	struct sbuf b;
	static struct author a;

	map(&a, "joe", "");
	sends(&a, "joe@example.com", true);
	sends(&a, "JOE@EXAMPLE.ORG", true);
	sends(&a, "joe+list@example.com", true);
	sends(&a, "joe@sub.example.com", false);
	sends(&a, "joe@example.net", false);
	sends(&a, "joey@example.com", false);
	sends(&a, "+joe@example.com", false);
	sends(&a, "ann@example.com", false);
	writes(&a, "joe@example.com", true);
	writes(&a, "Joe \"the, user\" <joe@example.com>", true);
	writes(&a, "J\xc3\xb6 <joe@example.com>", true);
	writes(&a, "Joe <joe@example.com>, joe+x@example.org", true);
	writes(&a, "Ann <ann@example.com>", false);
	writes(&a, "joe@example.com, ann@example.com", false);
	writes(&a, "joe@example.com (ann@example.com)", true);
	writes(&a, "\"joe@example.com\" <ann@example.com>", false);
	writes(&a, "", false);
	writes(&a, "nobody:;", false);
	writes(&a, "joe", false);
	writes(&a, "<joe@example.com", false);

	map(&a, "ann@example.net", "");
	sends(&a, "ann@example.net", true);
	sends(&a, "ann+x@Example.NET", true);
	sends(&a, "ann@example.com", false);
	sbuf_init(&b, 100);
	author_address(&a, &b);
	is_str(b.s, "ann@example.net", "her own address");

	map(&a, "joe",
	    "# all\nann ann2@example.com\n"
	    "joe sales@example.com  @example.net\r\n"
	    "joe\tx@y.example\nJoe never@example.com\n#joe *\nbob *");
	sends(&a, "SALES@example.com", true);
	sends(&a, "anybody@example.NET", true);
	sends(&a, "x@y.example", true);
	sends(&a, "joe@example.com", true);
	sends(&a, "never@example.com", false);
	sends(&a, "ann2@example.com", false);
	sends(&a, "sales+x@example.com", false);
	sends(&a, "x@sub.example.net", false);
	map(&a, "bob", "bob *");
	sends(&a, "anybody@anywhere.example", true);
	sbuf_reset(&b);
	author_address(&a, &b);
	is_str(b.s, "bob@example.com", "his own address");
	author_free(&a);
	ok(!author_init(&a, &conf, SPAN("")), "nobody has no name");
	ok(author_init(&a, &conf, SPAN("max")), "one with too many addresses");
	sbuf_free(&b);
	sbuf_init(&b, 2 * AUTHOR_SENDERS_MAX);
	while (b.len < AUTHOR_SENDERS_MAX + AUTHOR_SENDERS_MAX / 2)
		sbuf_adds(&b, "max someone@somewhere.example\n");
	ok(!author_read(&a, sbuf_span(&b)), "is not cut short");
	author_free(&a);
	sbuf_free(&b);
	return done();
}
