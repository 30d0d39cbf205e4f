/* SPDX-License-Identifier: ISC */
/* Command lines are the same however they are cut, and end at CRLF alone. */
#include <stdlib.h>

#include "../../smtpd-session/command.h"
#include "../../smtpd-session/received.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
holds(struct span line, char c)
{
	return span_find(line, c) < line.n;
}

/* What is done with a line that may be executed. */
static void
use(struct span line)
{
	struct span verb, argument;
	struct parameters p;
	struct ip nowhere = { .size = 0 };
	struct received r = { .ip = &nowhere,
		.host = "h",
		.protocol = "p",
		.tls = "",
		.id = "i" };
	struct sbuf field;

	must(!holds(line, '\r') && !holds(line, '\n') && !holds(line, '\0'));
	command_split(line, &verb, &argument);
	must(verb.n + argument.n <= line.n);
	if (parameter_mail(argument, &p) == PARAMETER_OK)
		must(p.has_size || p.size == 0);
	(void)parameter_rcpt(argument);
	sbuf_init(&field, RECEIVED_MAX);
	r.helo = argument;
	received_field(&field, &r);
	/* One field: each line but the first begins with a tab. */
	must(!field.bad && field.len > 2);
	for (size_t i = 0; i + 2 < field.len; i++)
		if (field.s[i] == '\r' || field.s[i] == '\n')
			must(field.s[i] == '\r' ?
				field.s[i + 1] == '\n' :
				i > 0 && field.s[i - 1] == '\r' &&
				    field.s[i + 1] == '\t');
	sbuf_free(&field);
}

/* Appends each event and its line. False when the session would hang up. */
static bool
run(struct span text, size_t piece, struct sbuf *out)
{
	struct command c = { 0 };
	size_t from = 0, to = 0;

	for (;;) {
		struct span line = SPAN("");
		size_t used;
		enum command_event e = command_push(&c,
		    span_of(text.p + from, to - from), &used, &line);

		must(used <= to - from);
		from += used;
		if (e == COMMAND_ENDLESS)
			return false;
		if (e != COMMAND_MORE) {
			must(used >= 2 && text.p[from - 1] == '\n' &&
			    text.p[from - 2] == '\r');
			sbuf_addf(out, "%d:", (int)e);
			sbuf_addspan(out, line);
			sbuf_putc(out, '\n');
			if (e == COMMAND_LINE)
				use(line);
			continue;
		}
		must(to - from <= COMMAND_SASL_MAX);
		if (to == text.n)
			return true;
		to = piece == 0 || text.n - to < piece ? text.n : to + piece;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sbuf one, two;
	struct span text;

	if (n == 0)
		return 0;
	text = span_of(data + 1, n - 1);
	sbuf_init(&one, 1 << 22);
	sbuf_init(&two, 1 << 22);
	if (run(text, 0, &one) && run(text, data[0], &two))
		must(span_eq(sbuf_span(&one), sbuf_span(&two)));
	sbuf_free(&one);
	sbuf_free(&two);
	return 0;
}
