/* SPDX-License-Identifier: ISC */
/* The session's parsers: command lines, parameters, helpers' replies. */
#include "../../smtpd-session/command.h"
#include "link.h"

#include "tap.h"

static const struct line_case {
	struct span in;
	enum command_event event;
	size_t used;
	struct span line;
} lines[] = {
	{ SPAN(""), COMMAND_MORE, 0, SPAN("") },
	{ SPAN("NOOP"), COMMAND_MORE, 0, SPAN("") },
	{ SPAN("NOOP\r"), COMMAND_MORE, 0, SPAN("") },
	{ SPAN("NOOP\n"), COMMAND_MORE, 0, SPAN("") },
	{ SPAN("NOOP\r\nRSET"), COMMAND_LINE, 6, SPAN("NOOP") },
	{ SPAN("\r\n"), COMMAND_LINE, 2, SPAN("") },
	{ SPAN("\n\r\n"), COMMAND_BARE_LF, 3, SPAN("\n") },
	{ SPAN("A\nB\r\n"), COMMAND_BARE_LF, 5, SPAN("A\nB") },
	{ SPAN("A\rB\r\n"), COMMAND_BARE_CR, 5, SPAN("A\rB") },
	{ SPAN("A\r\r\n"), COMMAND_BARE_CR, 4, SPAN("A\r") },
	{ SPAN("A\n\r\n"), COMMAND_BARE_LF, 4, SPAN("A\n") },
	{ SPAN("A\0B\r\n"), COMMAND_NUL, 5, SPAN("A\0B") },
	{ SPAN("\0\r\n"), COMMAND_NUL, 3, SPAN("\0") },
};

static void
cuts_lines(void)
{
	for (size_t i = 0; i < nitems(lines); i++) {
		const struct line_case *l = &lines[i];
		struct command c = { 0 };
		struct span line = SPAN("");
		size_t used;

		is_num(command_push(&c, l->in, &used, &line), l->event,
		    "line %zu: event", i);
		is_num((long long)used, (long long)l->used, "line %zu: used",
		    i);
		is_span(line, l->line, "line %zu: text", i);
	}
}

/* n octets with the CRLF, all at once: is that a line? */
static enum command_event
of_kind(const char *start, size_t n)
{
	static char text[COMMAND_SASL_MAX + 2];
	struct command c = { 0 };
	struct span line;
	size_t used;

	memset(text, 'x', n);
	memcpy(text, start, strlen(start));
	text[n - 2] = '\r';
	text[n - 1] = '\n';
	return command_push(&c, span_of(text, n), &used, &line);
}

static enum command_event
of_length(size_t n)
{
	return of_kind("NOOP ", n);
}

static void
lets_go(void)
{
	static char text[COMMAND_PATIENCE + 2];
	struct command c = { 0 };
	struct span line;
	size_t used;

	ok(of_length(COMMAND_MAX) == COMMAND_LINE, "the longest line");
	ok(of_length(COMMAND_MAX + 1) == COMMAND_LONG, "a longer line");
	ok(of_kind("MAIL ", COMMAND_MAIL_MAX) == COMMAND_LINE, "MAIL");
	ok(of_kind("MAIL ", COMMAND_MAIL_MAX + 1) == COMMAND_LONG, "too long");
	ok(of_kind("AUTH ", COMMAND_SASL_MAX) == COMMAND_LINE, "AUTH");
	ok(of_kind("AUTH ", COMMAND_SASL_MAX + 1) == COMMAND_LONG, "too long");
	memset(text, 'x', sizeof(text));
	text[COMMAND_MAX] = '\r';
	ok(command_push(&c, span_of(text, COMMAND_MAX + 1), &used, &line) ==
		COMMAND_MORE,
	    "without its end");
	is_num((long long)used, COMMAND_MAX, "all but the CR is let go");
	ok(command_push(&c, SPAN("\r\n"), &used, &line) == COMMAND_LONG,
	    "its end is found");
	is_num((long long)used, 2, "behind the CR");
	/* The tail of one that was cut is no AUTH with more room. */
	ok(command_push(&c, span_of(text + COMMAND_MAX + 1, COMMAND_MAX + 1),
	       &used, &line) == COMMAND_MORE,
	    "a second time");
	ok(command_push(&c, SPAN("AUTH x\r\n"), &used, &line) == COMMAND_LONG,
	    "with a tail that looks like a command");
	c.sasl = true;
	ok(command_push(&c, span_of(text + COMMAND_MAX + 1, COMMAND_SASL_MAX),
	       &used, &line) == COMMAND_MORE,
	    "a response is long");
	ok(used == 0, "and kept");
	c = (struct command){ 0 };
	ok(command_push(&c, span_of(text, sizeof(text)), &used, &line) ==
		COMMAND_ENDLESS,
	    "patience ends");
}

static void
splits(void)
{
	struct span verb, argument;

	command_split(SPAN("MAIL  FROM:<> X \t"), &verb, &argument);
	is_span(verb, SPAN("MAIL"), "verb");
	is_span(argument, SPAN("FROM:<> X"), "argument");
	command_split(SPAN(" NOOP"), &verb, &argument);
	is_span(verb, SPAN(""), "no verb behind a blank");
	command_split(SPAN(""), &verb, &argument);
	is_span(argument, SPAN(""), "no argument in nothing");
}

static const struct parameter_case {
	const char *text;
	enum parameter_result mail, rcpt;
	uint64_t size;
} parameters[] = {
	{ "", PARAMETER_OK, PARAMETER_OK, 0 },
	{ " \t ", PARAMETER_OK, PARAMETER_OK, 0 },
	{ "SIZE=5", PARAMETER_OK, PARAMETER_UNKNOWN, 5 },
	{ "siZe=00000000000000000007  body=8bitMIME", PARAMETER_OK,
	    PARAMETER_UNKNOWN, 7 },
	{ "SIZE=18446744073709551615", PARAMETER_OK, PARAMETER_UNKNOWN,
	    UINT64_MAX },
	{ "SIZE=18446744073709551616", PARAMETER_OK, PARAMETER_UNKNOWN,
	    UINT64_MAX },
	{ "SIZE=99999999999999999999", PARAMETER_OK, PARAMETER_UNKNOWN,
	    UINT64_MAX },
	{ "SIZE=100000000000000000000", PARAMETER_BAD_SIZE, PARAMETER_UNKNOWN,
	    0 },
	{ "SIZE", PARAMETER_BAD_SIZE, PARAMETER_UNKNOWN, 0 },
	{ "SIZE=+1", PARAMETER_BAD_SIZE, PARAMETER_UNKNOWN, 0 },
	{ "SIZE=", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
	{ "SIZE=1 SIZE=1", PARAMETER_TWICE, PARAMETER_UNKNOWN, 1 },
	{ "BODY=7BIT BODY=7BIT", PARAMETER_TWICE, PARAMETER_UNKNOWN, 0 },
	{ "BODY=BINARYMIME", PARAMETER_BAD_BODY, PARAMETER_UNKNOWN, 0 },
	{ "SMTPUTF8", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN, 0 },
	{ "A-1=~!", PARAMETER_UNKNOWN, PARAMETER_UNKNOWN, 0 },
	{ "A==", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
	{ "-A", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
	{ "A_B=1", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
	{ "A=\x7f", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
	{ "A=\xc3\xa9", PARAMETER_SYNTAX, PARAMETER_SYNTAX, 0 },
};

static void
reads_parameters(void)
{
	for (size_t i = 0; i < nitems(parameters); i++) {
		const struct parameter_case *c = &parameters[i];
		struct parameters p;

		is_num(parameter_mail(span_str(c->text), &p), c->mail,
		    "MAIL '%s'", c->text);
		ok(p.size == c->size, "size of '%s'", c->text);
		is_num(parameter_rcpt(span_str(c->text)), c->rcpt, "RCPT '%s'",
		    c->text);
	}
}

static const struct reply_case {
	struct span text;
	char class; /* 0: none */
} replies[] = {
	{ SPAN("451 4.3.0 Try later"), '4' },
	{ SPAN("550 5.1.1 x"), '5' },
	{ SPAN("554 5.123.123 x"), '5' },
	{ SPAN("550 5.1.1 "), '5' },
	{ SPAN("550 5.1.1"), 0 },
	{ SPAN("550 4.1.1 x"), 0 },
	{ SPAN("250 2.0.0 x"), 0 },
	{ SPAN("550-5.1.1 x"), 0 },
	{ SPAN("550 5.1 no such"), 0 },
	{ SPAN("550 5.1.1111 x"), 0 },
	{ SPAN("55O 5.1.1 x"), 0 },
	{ SPAN("550 5.1.1 a\r\n250 b"), 0 },
	{ SPAN("550 5.1.1 a\0b"), 0 },
	{ SPAN("550 5.1.1 caf\xc3\xa9"), 0 },
	{ SPAN(""), 0 },
};

static bool
is_refusal(char tag, struct span text)
{
	return link_is_refusal(&(struct frame){ tag, text });
}

static void
knows_replies(void)
{
	char text[LINK_REPLY_MAX + 1] = "550 5.1.1 ";

	for (size_t i = 0; i < nitems(replies); i++) {
		const struct reply_case *c = &replies[i];

		ok(is_refusal('Z', c->text) == (c->class == '4'),
		    "reply %zu as 4xx", i);
		ok(is_refusal('X', c->text) == (c->class == '5'),
		    "reply %zu as 5xx", i);
	}
	memset(text + 10, 'x', sizeof(text) - 10);
	ok(is_refusal('X', span_of(text, LINK_REPLY_MAX)), "the longest reply");
	ok(!is_refusal('X', span_of(text, LINK_REPLY_MAX + 1)), "a longer one");
}

int
main(void)
{
	cuts_lines();
	lets_go();
	splits();
	reads_parameters();
	knows_replies();
	return done();
}
