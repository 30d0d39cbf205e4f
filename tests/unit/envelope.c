/* SPDX-License-Identifier: ISC */
/* Facts, senders and recipients in their frames. */
#include "conversation.h"
#include "tap.h"

static void
test_facts(void)
{
	static const char *const good[][3] = {
		{ "ip=192.0.2.1", "ip", "192.0.2.1" },
		{ "helo=", "helo", "" },
		{ "name=Full = Name", "name", "Full = Name" },
		{ "tls-x_1=\xc3\xa9", "tls-x_1", "\xc3\xa9" },
	};
	static const struct span bad[] = {
		{ "", 0 },
		{ "ip", 2 },
		{ "=x", 2 },
		{ "i p=x", 5 },
		{ "ip=a\nuid=0", 10 },
		{ "ip=a\rb", 6 },
		{ "ip=a\0b", 6 },
		{ "i\0p=a", 5 },
		{ " ip=a", 5 },
	};
	struct span name, value;

	for (size_t i = 0; i < nitems(good); i++)
		ok(envelope_fact(span_str(good[i][0]), &name, &value) &&
			span_eq(name, span_str(good[i][1])) &&
			span_eq(value, span_str(good[i][2])),
		    "fact %s", good[i][0]);
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!envelope_fact(bad[i], &name, &value), "bad fact %zu", i);
}

struct path_case {
	const char *payload, *path, *whole, *params; /* path NULL: bad */
	bool local;
};

static const struct path_case senders[] = {
	{ "<>", "<>", "", "", false },
	{ "<> BODY=8BITMIME", "<>", "", "BODY=8BITMIME", false },
	{ "<a@b>", "<a@b>", "a@b", "", false },
	{ "<@r:a@b> SIZE=1  X=y", "<@r:a@b>", "a@b", "SIZE=1  X=y", false },
	{ "", NULL, 0, 0, false },
	{ "a@b", NULL, 0, 0, false },
	{ "<a@b>x", NULL, 0, 0, false },
	{ "<a@b>\tX", NULL, 0, 0, false },
	{ "<a@b> X\nRlocal <c@d>", NULL, 0, 0, false },
	{ "<a@b> X\r", NULL, 0, 0, false },
	{ "<postmaster>", NULL, 0, 0, false },
	{ "local <a@b>", NULL, 0, 0, false },
};

static const struct path_case recipients[] = {
	{ "local <a@b>", "<a@b>", "a@b", "", true },
	{ "remote <\"a b\"@c> NOTIFY=NEVER", "<\"a b\"@c>", "\"a b\"@c",
	    "NOTIFY=NEVER", false },
	{ "local <postmaster>", "<postmaster>", "postmaster", "", true },
	{ "", NULL, 0, 0, false },
	{ "local", NULL, 0, 0, false },
	{ "local ", NULL, 0, 0, false },
	{ "<a@b>", NULL, 0, 0, false },
	{ "Local <a@b>", NULL, 0, 0, false },
	{ "locals <a@b>", NULL, 0, 0, false },
	{ "local  <a@b>", NULL, 0, 0, false },
	{ "local <>", NULL, 0, 0, false },
	{ "local <a@b><c@d>", NULL, 0, 0, false },
	{ "local <a@b> X\n", NULL, 0, 0, false },
};

static void
check(bool (*parse)(struct span, struct envelope_path *),
    const struct path_case *want)
{
	struct envelope_path e;
	bool good = parse(span_str(want->payload), &e);

	if (want->path == NULL)
		ok(!good, "'%.*s' is refused",
		    (int)strcspn(want->payload, "\r\n"), want->payload);
	else
		ok(good && span_eq(e.path, span_str(want->path)) &&
			span_eq(e.address.whole, span_str(want->whole)) &&
			span_eq(e.params, span_str(want->params)) &&
			e.local == want->local,
		    "'%s'", want->payload);
}

/* Each letter of order is one frame; upto: how many of them are taken. */
static void
check_order(const char *order, size_t upto)
{
	static const struct frame frames[] = {
		{ 'C', SPAN("ip=192.0.2.1") },
		{ 'S', SPAN("<a@b>") },
		{ 'R', SPAN("local <c@d>") },
		{ 'B', SPAN("x") },
	};
	enum envelope_stage stage = ENVELOPE_NONE;
	struct envelope_part part;
	size_t n = 0;

	for (; order[n] != '\0'; n++) {
		const struct frame *f = frames;

		while (f->tag != order[n])
			f++;
		if (!envelope_take(&stage, f, &part))
			break;
	}
	ok(n == upto, "of '%s' %zu are in order", order, upto);
}

static void
test_order(void)
{
	static const struct frame bad = { 'C', SPAN("no fact") };
	enum envelope_stage stage = ENVELOPE_NONE;
	struct envelope_part part;

	check_order("CCSRR", 5);
	check_order("S", 0);
	check_order("R", 0);
	check_order("CR", 1);
	check_order("CSS", 2);
	check_order("CSC", 2);
	check_order("CSRC", 3);
	check_order("CSRS", 3);
	check_order("CSB", 2);
	ok(!envelope_take(&stage, &bad, &part) && stage == ENVELOPE_NONE,
	    "a malformed frame leaves the stage");
}

int
main(void)
{
	struct envelope_path e;

	test_facts();
	test_order();
	for (size_t i = 0; i < nitems(senders); i++)
		check(envelope_sender, &senders[i]);
	for (size_t i = 0; i < nitems(recipients); i++)
		check(envelope_recipient, &recipients[i]);
	ok(!envelope_sender(span_of("<a@b> \0", 7), &e), "NUL is refused");
	return done();
}
