/* SPDX-License-Identifier: ISC */
/* Shows and checks the configuration. */
#include "bufio.h"
#include "doubt.h"
#include "frame.h"
#include "helper.h"
#include "program.h"

#include "tls-policy.h"

#define USAGE "[check | show [name] | sample | mdoc]"
#define TLS_MS 5000 /* that smtpd-tls may take to answer */
#define TLS_CODE (sizeof("454 4.7.0 ") - 1)
#define TEXT_MAX (4 * CONF_FILE_MAX)

static void
print(struct sbuf *b)
{
	if (b->bad)
		die(EXIT_TEMP, "out of memory");
	if (io_write(1, b->s, b->len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
	sbuf_free(b);
}

static void
describe(enum conf_format format)
{
	struct sbuf b;

	sbuf_init(&b, TEXT_MAX);
	conf_describe(&b, format);
	print(&b);
}

static void
show(const struct conf *conf, const char *name)
{
	struct conf_where where;
	struct sbuf b;

	sbuf_init(&b, TEXT_MAX);
	if (name == NULL) {
		conf_print(&b, conf);
	} else {
		if (!conf_print_one(&b, conf, span_str(name), &where))
			die(EXIT_PERM, "%s", where.what);
		sbuf_putc(&b, '\n');
	}
	print(&b);
}

/*
 * Only smtpd-tls can read the keys: it is asked as a session asks it. What it
 * says is of its own configuration, which is the same when both are in use.
 */
static void
ask_tls(const struct conf *conf)
{
	static struct chan chan;
	static struct chan_room room;
	struct frame f;
	int fd;

	if (conf->tls_cert[0] == '\0')
		return;
	fd = helper_open(conf->tls, conf);
	if (fd == -1) {
		warn_sys("certificates and keys were not checked, '%s' does "
			 "not answer (as its user, '" LIBDIR
			 "/smtpd-tls check' does it)",
		    conf->tls);
		return;
	}
	chan_init(&chan, &room, fd, fd);
	if (chan_recv(&chan, &f, clock_in(TLS_MS)) != IO_OK)
		warn("certificates and keys were not checked: '%s' says "
		     "nothing",
		    conf->tls);
	else if (f.tag == 'Z')
		die(EXIT_PERM, "TLS is not offered: %.*s",
		    (int)span_skip(f.payload, TLS_CODE).n,
		    span_skip(f.payload, TLS_CODE).p);
	chan_close(&chan);
}

/* Where all mail must wait, that is no doubt. */
static void
check_policy(const struct conf *conf)
{
	static struct policy p;

	if (conf->tls_policy[0] == '\0')
		return;
	policy_load(&p, conf, SPAN("*"), false);
	if (p.trouble[0] != '\0')
		die(EXIT_PERM, "no mail leaves: tls_policy %s", p.trouble);
	policy_free(&p);
}

static bool
is(const char *operand, const char *word)
{
	return operand != NULL && strcmp(operand, word) == 0;
}

/* What the program knows by itself. */
static bool
describes(char *const operands[])
{
	if (operands[0] == NULL ||
	    (is(operands[0], "sample") && operands[1] == NULL))
		describe(CONF_AS_SAMPLE);
	else if (is(operands[0], "mdoc") && operands[1] == NULL)
		describe(CONF_AS_MDOC);
	else
		return false;
	return true;
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	char *const *operands;

	progname = "smtpd-conf";
	/* It needs no configuration; there may be none yet. */
	if (argc > 0 && describes(argv + 1))
		return EXIT_OK;
	operands = argv +
	    program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT, USAGE);
	if (describes(operands))
		return EXIT_OK;
	if (is(operands[0], "show") &&
	    (operands[1] == NULL || operands[2] == NULL)) {
		show(&conf, operands[1]);
		return EXIT_OK;
	}
	if (!is(operands[0], "check") || operands[1] != NULL)
		die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s",
		    progname, USAGE);
	doubt(&conf);
	check_policy(&conf);
	ask_tls(&conf);
	return EXIT_OK;
}
