/* SPDX-License-Identifier: ISC */
/* Which Authentication-Results go, and that nothing else is touched. */
#include "forged.h"

#include <sys/mman.h>

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "sbuf.h"
#include "tap.h"

#define HOST "mx.Example.com"
#define TEXT_MAX (32 * 1024 * 1024)

/* What stands in braces is to go; the braces are not of the message. */
static const struct {
	const char *name, *text;
} table[] = {
	{ "nothing", "" },
	{ "no such field", "From: a\r\nTo: b\r\n\r\ntext\r\n" },
	{ "ours",
	    "From: a\r\n{Authentication-Results: mx.example.com; spf=pass\r\n}"
	    "To: b\r\n\r\ntext\r\n" },
	{ "ours as the first one",
	    "{Authentication-Results: mx.example.com; spf=pass\r\n}To: b\r\n"
	    "\r\n" },
	{ "ours as the last one",
	    "To: b\r\n{Authentication-Results: mx.example.com; spf=pass\r\n}"
	    "\r\ntext" },
	{ "nothing else",
	    "{Authentication-Results: mx.example.com; none\r\n}" },
	{ "several, and others between them",
	    "{Authentication-Results: mx.example.com; a=pass\r\n}"
	    "{Authentication-Results: mx.example.com; b=pass\r\n}X: y\r\n"
	    "Authentication-Results: mx.example.org; c=pass\r\n"
	    "{Authentication-Results: mx.example.com; d=pass\r\n}\r\n" },
	{ "in any case",
	    "{AUTHENTICATION-RESULTS: MX.EXAMPLE.COM; none\r\n}"
	    "{authentication-results:mx.eXample.Com;none\r\n}\r\n" },
	{ "folded",
	    "{Authentication-Results:\r\n mx.example.com\r\n\t;\r\n"
	    " spf=pass\r\n\tx=y\r\n}To: b\r\n\r\n" },
	{ "folded within the id",
	    "{Authentication-Results: mx.\r\n example.com; none\r\n}\r\n" },
	{ "folded before the colon",
	    "{Authentication-Results\r\n : mx.example.com; none\r\n}\r\n" },
	{ "blanks before the colon",
	    "{Authentication-Results \t : mx.example.com; none\r\n}\r\n" },
	{ "comments",
	    "{Authentication-Results: (a(b)c) mx.example.com (d); none\r\n}"
	    "{Authentication-Results: (\\) ; (\\\\)) mx.example.com; x\r\n}"
	    "{Authentication-Results: (;)mx.example.com(;)\r\n}\r\n" },
	{ "a comment within the id",
	    "{Authentication-Results: mx.(x)example.com; none\r\n}\r\n" },
	{ "a comment instead of the id",
	    "Authentication-Results: (mx.example.com) other; none\r\n\r\n" },
	{ "a comment without end",
	    "{Authentication-Results: (x mx.other.example; none\r\n}\r\n" },
	{ "quoted",
	    "{Authentication-Results: \"mx.example.com\"; none\r\n}"
	    "{Authentication-Results: \"m\\x.example.com\" 1; none\r\n}"
	    "{Authentication-Results: \"mx.\"example.com; none\r\n}\r\n" },
	{ "quoted, without end",
	    "{Authentication-Results: \"mx.ex\r\n}To: b\r\n\r\n" },
	{ "quoted, of another",
	    "Authentication-Results: \"mx.example.com.tw\"; none\r\n\r\n" },
	{ "with a version",
	    "{Authentication-Results: mx.example.com 1; none\r\n}"
	    "{Authentication-Results: mx.example.com (c) 2; none\r\n}"
	    "{Authentication-Results: mx.example.com/1; none\r\n}\r\n" },
	{ "with a final dot",
	    "{Authentication-Results: mx.example.com.; none\r\n}"
	    "Authentication-Results: mx.example.com.x; none\r\n\r\n" },
	{ "nothing behind the id",
	    "{Authentication-Results: mx.example.com\r\n}To: b\r\n\r\n" },
	{ "of others",
	    "Authentication-Results: mx.example.org; none\r\n"
	    "Authentication-Results: example.com; none\r\n"
	    "Authentication-Results: a.mx.example.com; none\r\n"
	    "Authentication-Results: mx.example.comx; none\r\n"
	    "Authentication-Results: mx.example.co; none\r\n"
	    "Authentication-Results: mx-example.com; none\r\n\r\n" },
	{ "without an id, as some write it",
	    "Authentication-Results: spf=pass (mx.example.com)\r\n"
	    "Authentication-Results: m=pass\r\n"
	    "Authentication-Results:\r\n"
	    "Authentication-Results: ; none\r\n\r\n" },
	{ "an encoded word",
	    "{Authentication-Results: =?utf-8?q?mx=2eexample.com?=; x\r\n}"
	    "{Authentication-Results: mx.=?utf-8?q?example.com?=; x\r\n}\r\n" },
	{ "octets that are not ASCII",
	    "{Authentication-Results: \xc2\xa0mx.example.com; x\r\n}"
	    "{Authentication-Results: m\xd0\xa5.example.com; x\r\n}"
	    "{Authentication-Results: mx.example.com\xff; x\r\n}"
	    "{Authentication-Results: \x01mx.example.com; x\r\n}\r\n" },
	{ "names that are not quite it",
	    "Authentication-Result: mx.example.com; x\r\n"
	    "Authentication-Results-X: mx.example.com; x\r\n"
	    "X-Authentication-Results: mx.example.com; x\r\n"
	    "ARC-Authentication-Results: i=1; mx.example.com; x\r\n"
	    "Authentication Results: mx.example.com; x\r\n"
	    "Authentication-Results mx.example.com; x\r\n"
	    "Authentication-Results\r\nA: b\r\n\r\n" },
	{ "in the continuation of another field",
	    "Subject: x\r\n Authentication-Results: mx.example.com; x\r\n\r\n" },
	{ "in the text",
	    "To: b\r\n\r\nAuthentication-Results: mx.example.com; x\r\n" },
	{ "behind lines that are no fields",
	    "From a@b Mon\r\n{Authentication-Results: mx.example.com; x\r\n}"
	    "no field\r\n{Authentication-Results: mx.example.com; y\r\n}"
	    ">From x\r\n \r\n{Authentication-Results: mx.example.com; z\r\n}"
	    "\r\n" },
	{ "cut off in the name", "To: b\r\nAuthentication-Resul" },
	{ "cut off before the colon", "Authentication-Results" },
	{ "cut off in the id", "Authentication-Results: mx.exam" },
	{ "cut off behind the id", "{Authentication-Results: mx.example.com}" },
	{ "LF",
	    "X: y\n{Authentication-Results: mx.example.com; x\n\ty\n}Z: z\n"
	    "\nAuthentication-Results: mx.example.com; x\n" },
	{ "CR",
	    "X: y\r{Authentication-Results: mx.example.com; x\r}Z: z\r\r"
	    "{Authentication-Results: mx.example.com; x\r\n}\r\n"
	    "Authentication-Results: mx.example.com; x\r\n" },
	{ "a LF that becomes half of a CRLF",
	    "X: y\r{Authentication-Results: mx.example.com; x\n"
	    "Authentication-Results: mx.example.com; x\n}\n"
	    "{Authentication-Results: mx.example.com; x\n}\n\n"
	    "Authentication-Results: mx.example.com; x\n" },
	{ "the same, behind a comment without end",
	    "X: y\r{Authentication-Results: (x\n}\n"
	    "{Authentication-Results: mx.example.com; x\n}\n" },
};

/* What is left of a text without its ranges, which must be in order. */
struct rest {
	struct span text;
	struct sbuf *out;
	size_t at, end; /* of the last range; 0: none */
	unsigned ranges;
	bool bad;
};

static bool
leave_out(void *context, uint64_t offset, uint64_t length)
{
	struct rest *r = context;

	if (length == 0 || offset < r->at || offset + length > r->text.n ||
	    (r->ranges > 0 && offset == r->at)) {
		r->bad = true;
		return false;
	}
	sbuf_add(r->out, r->text.p + r->at, offset - r->at);
	r->at = offset + length;
	r->ranges++;
	return true;
}

static void
leave_rest(struct rest *r)
{
	if (r->bad)
		sbuf_adds(r->out, "(ranges out of order)");
	sbuf_addspan(r->out, span_skip(r->text, r->at));
}

/* In pieces of this size; 0: whole. Gives how many ranges go. */
static unsigned
run(struct span text, size_t piece, struct sbuf *out)
{
	struct rest rest = { .text = text, .out = out };
	struct forged_range r;
	struct forged f;

	sbuf_reset(out);
	forged_init(&f, HOST);
	while (text.n > 0) {
		size_t n = piece == 0 || piece > text.n ? text.n : piece;
		struct span in = span_of(text.p, n);

		text = span_skip(text, n);
		while (forged_push(&f, &in, &r))
			(void)leave_out(&rest, r.offset, r.length);
	}
	if (forged_finish(&f, &r))
		(void)leave_out(&rest, r.offset, r.length);
	leave_rest(&rest);
	return rest.ranges;
}

static int
file_of(struct span text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text.p, text.n) != (ssize_t)text.n)
		abort();
	return fd;
}

/* The same by forged_find; false when it gives that. */
static bool
find(struct span text, struct sbuf *out)
{
	struct rest rest = { .text = text, .out = out };
	int fd = file_of(text);
	bool found;

	sbuf_reset(out);
	found = forged_find(fd, text.n, HOST, leave_out, &rest);
	(void)close(fd);
	leave_rest(&rest);
	return found && !rest.bad;
}

static void
split(const char *text, struct sbuf *in, struct sbuf *want)
{
	bool goes = false;

	for (; *text != '\0'; text++) {
		if (*text == '{' || *text == '}') {
			goes = *text == '{';
			continue;
		}
		sbuf_putc(in, *text);
		if (!goes)
			sbuf_putc(want, *text);
	}
}

static void
test_table(void)
{
	struct sbuf in, want, out;

	sbuf_init(&in, 4096);
	sbuf_init(&want, 4096);
	sbuf_init(&out, 4096);
	for (size_t i = 0; i < nitems(table); i++) {
		size_t piece = 0;

		sbuf_reset(&in);
		sbuf_reset(&want);
		split(table[i].text, &in, &want);
		do
			(void)run(sbuf_span(&in), piece, &out);
		while (span_eq(sbuf_span(&out), sbuf_span(&want)) &&
		    piece++ < in.len);
		is_span(sbuf_span(&out), sbuf_span(&want),
		    "%s, in pieces of %zu", table[i].name, piece);
		ok(find(sbuf_span(&in), &out) &&
			span_eq(sbuf_span(&out), sbuf_span(&want)),
		    "%s, in a file", table[i].name);
	}
	sbuf_free(&in);
	sbuf_free(&want);
	sbuf_free(&out);
}

/* A field of n octets in which, but for the last, nothing is decided. */
static void
test_limit(void)
{
	static const char name[] = "Authentication-Results:";
	struct sbuf in, out;

	sbuf_init(&in, 1 << 20);
	sbuf_init(&out, 1 << 20);
	for (size_t n = FORGED_KEPT - 1; n <= FORGED_KEPT + 2; n++) {
		bool kept = n <= FORGED_KEPT + 1;

		sbuf_reset(&in);
		sbuf_adds(&in, name);
		while (in.len < n - 1)
			sbuf_putc(&in, ' ');
		sbuf_adds(&in, "other.example; none\r\n");
		(void)run(sbuf_span(&in), 0, &out);
		is_num((long long)out.len, kept ? (long long)in.len : 0,
		    "an id at octet %zu %s", n, kept ? "is seen" : "is not");
	}
	sbuf_reset(&in);
	sbuf_adds(&in, "Authentication-Results: mx.example.com;\r\n");
	for (int i = 0; i < 5000; i++)
		sbuf_adds(&in, "\tspf=pass smtp.mailfrom=example.org;\r\n");
	sbuf_adds(&in, "To: b\r\n\r\n");
	is_num(run(sbuf_span(&in), 1000, &out), 1, "a very long one is one");
	is_str(out.s, "To: b\r\n\r\n", "and goes to its end");
	ok(find(sbuf_span(&in), &out), "also in a file");
	is_str(out.s, "To: b\r\n\r\n", "where it goes to its end as well");
	sbuf_free(&in);
	sbuf_free(&out);
}

static bool
slurp(const char *dir, const char *name, struct sbuf *b)
{
	char path[4096], part[65536];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	sbuf_reset(b);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		sbuf_add(b, part, n);
	(void)fclose(f);
	return !b->bad;
}

/* A forged field before each line that can begin a field of the message. */
static void
add_forged(struct span text, struct sbuf *b, unsigned *n)
{
	bool header = true;

	*n = 0;
	while (text.n > 0) {
		size_t line = span_find(text, '\n');

		line += line < text.n;
		header = header && text.p[0] != '\n' &&
		    !span_starts(text, SPAN("\r\n"));
		if (header && !ascii_isblank(text.p[0])) {
			sbuf_addf(b,
			    "Authentication-results :%s"
			    "(%u) mX.example.com; dkim=pass\r\n",
			    *n % 2 == 0 ? "" : "\r\n\t", *n);
			++*n;
		}
		sbuf_add(b, text.p, line);
		text = span_skip(text, line);
	}
}

static void
test_messages(void)
{
	const char *suites = getenv("SMTPD_SUITES");
	unsigned files = 0, same = 0, cleaned = 0, found = 0, forged;
	struct sbuf text, more, out;
	struct dirent *d;
	char path[4096];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/messages",
	    suites == NULL ? "../shared/suites" : suites);
	dir = opendir(path);
	if (dir == NULL) {
		skipped("no collection of messages in '%s'", path);
		return;
	}
	sbuf_init(&text, TEXT_MAX);
	sbuf_init(&more, TEXT_MAX);
	sbuf_init(&out, TEXT_MAX);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.' || !slurp(path, d->d_name, &text))
			continue;
		files++;
		same += run(sbuf_span(&text), 0, &out) == 0 &&
		    span_eq(sbuf_span(&out), sbuf_span(&text));
		sbuf_reset(&more);
		add_forged(sbuf_span(&text), &more, &forged);
		cleaned += run(sbuf_span(&more), 999, &out) == forged &&
		    span_eq(sbuf_span(&out), sbuf_span(&text));
		found += find(sbuf_span(&more), &out) &&
		    span_eq(sbuf_span(&out), sbuf_span(&text));
	}
	(void)closedir(dir);
	ok(files > 400, "%u messages", files);
	is_num(same, files, "none is touched");
	is_num(cleaned, files, "forged fields between all of theirs all go");
	is_num(found, files, "and in files");
	sbuf_free(&text);
	sbuf_free(&more);
	sbuf_free(&out);
}

static bool
stop(void *context, uint64_t offset, uint64_t length)
{
	unsigned *calls = context;

	(void)offset;
	(void)length;
	++*calls;
	errno = EDOM;
	return false;
}

static void
test_trouble(void)
{
	struct span text = SPAN("Authentication-Results: mx.example.com; x\r\n"
				"A: b\r\nAuthentication-Results:");
	unsigned calls = 0;
	struct rest rest = { .text = text };
	struct sbuf out;
	int fd = file_of(text);

	sbuf_init(&out, 4096);
	rest.out = &out;
	ok(!forged_find(fd, text.n, HOST, stop, &calls) && errno == EDOM,
	    "who has enough gets false, and keeps errno");
	is_num(calls, 1, "and is not told any more");
	errno = 0;
	ok(!forged_find(fd, text.n + 1, HOST, leave_out, &rest) && errno == EIO,
	    "a text that is shorter than was said cannot be read");
	ok(!forged_find(-1, text.n, HOST, leave_out, &rest) && errno == EBADF,
	    "nor one that is not there");
	ok(forged_find(-1, 0, HOST, leave_out, &rest), "but one of no octets");
	(void)close(fd);
	sbuf_free(&out);
}

static void
test_claims(void)
{
	static const struct {
		struct span lines;
		bool claims;
	} fields[] = {
		{ SPAN("Authentication-Results: mx.example.com; x\r\n"), true },
		{ SPAN("Received: x\r\nAuthentication-Results:\r\n"
		       " MX.example.com; x\r\nX: y\r\n"),
		    true },
		{ SPAN("Received: x\r\n"
		       "Authentication-Results: mx.example.com\r\n"),
		    true },
		{ SPAN("Authentication-Results: other.example; x\r\n"), false },
		{ SPAN("X: y\r\n Authentication-Results: mx.example.com\r\n"),
		    false },
		{ SPAN(""), false },
	};

	for (size_t i = 0; i < nitems(fields); i++)
		is_num(forged_claims(fields[i].lines, HOST), fields[i].claims,
		    "fields %zu claim %s", i,
		    fields[i].claims ? "to be ours" : "nothing");
}

int
main(void)
{
	test_table();
	test_limit();
	test_messages();
	test_trouble();
	test_claims();
	return done();
}
