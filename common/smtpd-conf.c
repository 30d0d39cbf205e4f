/* SPDX-License-Identifier: ISC */
/* Shows and checks the configuration. */
#include <sys/stat.h>

#include <errno.h>

#include "bufio.h"
#include "endpoint.h"
#include "program.h"

#define USAGE "[check | show [name] | sample | mdoc]"
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

static bool
is_below(struct span domain, struct span above)
{
	return span_ieq(domain, above) ||
	    (domain.n > above.n && domain.p[domain.n - above.n - 1] == '.' &&
		span_ieq(span_skip(domain, domain.n - above.n), above));
}

static void
doubt_dkim_domain(const struct conf *conf)
{
	struct span rest = span_str(conf->local_domains), word;

	while ((word = span_word(&rest)).n > 0) {
		if (is_below(word, span_str(conf->dkim_domain)))
			return;
	}
	if (!is_below(span_str(conf->hostname), span_str(conf->dkim_domain)))
		warn("dkim_domain '%s' is none of local_domains, nor above one",
		    conf->dkim_domain);
}

/* As smtpd-sign will find it, as far as that is known without reading it. */
static void
doubt_dkim(const struct conf *conf)
{
	struct stat st;

	if (conf->dkim_keys[0] != '\0' && stat(conf->dkim_keys, &st) == -1 &&
	    (errno != ENOENT || conf->dkim_key[0] != '\0'))
		warn_sys("dkim_keys '%s'", conf->dkim_keys);
	if (conf->dkim_key[0] == '\0')
		return;
	doubt_dkim_domain(conf);
	if (stat(conf->dkim_key, &st) == -1)
		warn_sys("dkim_key '%s'", conf->dkim_key);
	else if (!S_ISREG(st.st_mode))
		warn("dkim_key '%s' is no file", conf->dkim_key);
	else if ((st.st_mode & 0037) != 0)
		warn("dkim_key '%s' can be used by others: mail of its domain "
		     "will wait",
		    conf->dkim_key);
}

/* What one may want, but hardly does. */
static void
doubt(const struct conf *conf)
{
	struct span rest = span_str(conf->resolver), word;
	union endpoint at;
	struct ip ip;

	while ((word = span_word(&rest)).n > 0) {
		if (!endpoint_parse(word, 53, &at))
			continue;
		ip = endpoint_ip(&at);
		if (!ip_is_loopback(&ip))
			warn("resolver '%.*s' is not on this host: its answers "
			     "can be forged on the way; run a validating one "
			     "(unbound) here",
			    (int)word.n, word.p);
	}
	doubt_dkim(conf);
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
	    (operands[1] == NULL || operands[2] == NULL))
		show(&conf, operands[1]);
	else if (!is(operands[0], "check") || operands[1] != NULL)
		die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s",
		    progname, USAGE);
	else
		doubt(&conf);
	return EXIT_OK;
}
