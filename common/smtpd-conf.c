/* SPDX-License-Identifier: ISC */
/* Shows and checks the configuration. */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "address.h"
#include "bufio.h"
#include "conf-setting.h"
#include "frame.h"
#include "helper.h"
#include "ip.h"
#include "program.h"
#include "readfile.h"
#include "tls-policy.h"

#define USAGE "[check | show [name] | sample | mdoc]"
#define TLS_MS 5000 /* to wait for an answer of smtpd-tls */
#define TLS_CODE_LENGTH (sizeof("454 4.7.0 ") - 1)
#define TEXT_MAX (4 * CONF_FILE_MAX)

static void
print_out(struct sbuf *b)
{
	if (b->bad)
		die(EXIT_TEMP, "out of memory");
	if (io_write(1, b->s, b->len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
	sbuf_free(b);
}

/* --- sample and mdoc ------------------------------------------------------ */

#define WIDTH 78

/* Text as a paragraph of comment lines. */
static void
add_comment(struct sbuf *b, struct span text)
{
	struct span word;
	size_t column = 1;

	sbuf_putc(b, '#');
	while ((word = span_word(&text)).n > 0) {
		if (column + 1 + word.n > WIDTH) {
			sbuf_adds(b, "\n#");
			column = 1;
		}
		sbuf_putc(b, ' ');
		sbuf_addspan(b, word);
		column += 1 + word.n;
	}
	sbuf_putc(b, '\n');
}

static void
add_kind(struct sbuf *b, const struct conf_setting *s)
{
	conf_setting_expectation(b, s);
	if (conf_setting_is_list(s))
		sbuf_adds(b, ", or several separated by blanks");
	if (conf_setting_is_optional(s))
		sbuf_adds(b, "; may be empty");
}

static void
describe_sample(struct sbuf *b, const struct conf_setting *s)
{
	struct sbuf kind;

	sbuf_init(&kind, WIDTH * 4);
	sbuf_adds(&kind, "Value: ");
	add_kind(&kind, s);
	add_comment(b, span_str(conf_setting_meaning(s)));
	add_comment(b, sbuf_span(&kind));
	sbuf_addf(b, "#%s =%s%s\n", conf_setting_name(s),
	    *conf_setting_default(s) == '\0' ? "" : " ",
	    conf_setting_default(s));
	b->bad |= kind.bad;
	sbuf_free(&kind);
}

/* The unit test shows that no text of the table needs an escape in mdoc. */
static void
describe_mdoc(struct sbuf *b, const struct conf_setting *s)
{
	sbuf_addf(b, ".It Ic %s\n%s.\n", conf_setting_name(s),
	    conf_setting_meaning(s));
	sbuf_adds(b, "Value: ");
	add_kind(b, s);
	sbuf_adds(b, ".\n");
	if (*conf_setting_default(s) != '\0')
		sbuf_addf(b, "Default:\n.Ql %s .\n", conf_setting_default(s));
	else
		sbuf_adds(b, "Default: empty.\n");
}

static void
print_table(bool mdoc)
{
	struct sbuf b;

	sbuf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_setting *s = &conf_settings[i];

		if (mdoc) {
			describe_mdoc(&b, s);
			continue;
		}
		if (i > 0)
			sbuf_putc(&b, '\n');
		describe_sample(&b, s);
	}
	print_out(&b);
}

/* --- show ----------------------------------------------------------------- */

static void
show_settings(const struct conf *conf, const char *name)
{
	const struct conf_setting *s;
	struct conf_where where;
	struct sbuf b;

	sbuf_init(&b, TEXT_MAX);
	if (name == NULL) {
		conf_print(&b, conf);
	} else {
		s = conf_setting_find(span_str(name), &where);
		if (s == NULL)
			die(EXIT_PERM, "%s", where.what);
		conf_setting_print(&b, s, conf);
		sbuf_putc(&b, '\n');
	}
	print_out(&b);
}

/* --- doubts about DKIM keys: without reading them ------------------------- */

#define SUFFIX SPAN(".key")

static bool
is_domain_below(struct span domain, struct span above)
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
		if (is_domain_below(word, span_str(conf->dkim_domain)))
			return;
	}
	if (!is_domain_below(span_str(conf->hostname),
		span_str(conf->dkim_domain)))
		warn("dkim_domain '%s' is neither one of local_domains nor "
		     "above one",
		    conf->dkim_domain);
}

/* shown and name: the two parts of the path that the warning shows. */
static void
doubt_key(int dir, const char *file, const char *shown, const char *name)
{
	struct stat st;

	if (fstatat(dir, file, &st, 0) == -1)
		warn_sys("DKIM key '%s%s'", shown, name);
	else if (!S_ISREG(st.st_mode))
		warn("DKIM key '%s%s' is not a regular file: mail of its "
		     "domain will wait",
		    shown, name);
	else if (readfile_is_lax(&st, READFILE_SHARED_SECRET))
		warn("DKIM key '%s%s' can be accessed by other users: mail of "
		     "its domain will wait",
		    shown, name);
}

/* Does smtpd-sign take it for the name of a key? */
static bool
is_dkim_key_name(struct span name, struct span *selector)
{
	if (name.n <= SUFFIX.n || name.p[0] == '.' ||
	    !span_eq(span_skip(name, name.n - SUFFIX.n), SUFFIX))
		return false;
	*selector = span_of(name.p, name.n - SUFFIX.n);
	return true;
}

static void
doubt_keys_of(int fd, const char *domain)
{
	char shown[NAME_MAX + 2];
	struct span selector;
	struct dirent *e;
	DIR *dir = fdopendir(fd);

	if (dir == NULL) {
		(void)close(fd);
		return;
	}
	(void)snprintf(shown, sizeof(shown), "%s/", domain);
	while ((e = readdir(dir)) != NULL) {
		if (!is_dkim_key_name(span_str(e->d_name), &selector))
			continue;
		if (!address_is_domain(selector))
			warn("DKIM key '%s%s' is not named after a selector: "
			     "mail of its domain will wait",
			    shown, e->d_name);
		else
			doubt_key(fd, e->d_name, shown, e->d_name);
	}
	(void)closedir(dir);
}

static bool
is_lower_case(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ascii_lower(s.p[i]))
			return false;
	}
	return true;
}

static void
doubt_domain(int keys, const char *name)
{
	struct span domain = span_str(name);
	int fd = openat(keys, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1) {
		warn_sys("dkim_keys: '%s'", name);
	} else if (!address_is_domain(domain) || !is_lower_case(domain)) {
		warn("dkim_keys: '%s' is not a domain name in lower case: its "
		     "keys sign nothing",
		    name);
		(void)close(fd);
	} else {
		doubt_keys_of(fd, name);
	}
}

/* Most users may not read the directory: they get no warning about that. */
static void
doubt_dkim_keys(const struct conf *conf)
{
	DIR *dir = opendir(conf->dkim_keys);
	struct dirent *e;

	if (dir == NULL) {
		if (errno != EACCES &&
		    (errno != ENOENT || conf->dkim_key[0] != '\0'))
			warn_sys("dkim_keys '%s'", conf->dkim_keys);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			doubt_domain(dirfd(dir), e->d_name);
	}
	(void)closedir(dir);
}

static void
doubt_dkim(const struct conf *conf)
{
	if (conf->dkim_keys[0] != '\0')
		doubt_dkim_keys(conf);
	if (conf->dkim_key[0] == '\0')
		return;
	doubt_dkim_domain(conf);
	doubt_key(AT_FDCWD, conf->dkim_key, conf->dkim_key, "");
}

/* --- doubts about single settings ----------------------------------------- */

static void
doubt_resolver(const struct conf *conf)
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
			     "can be forged on the way; run a validating "
			     "resolver (such as unbound) here",
			    (int)word.n, word.p);
	}
}

/* Settings that accept mail without checks. */
static void
doubt_checks(const struct conf *conf)
{
	if (!conf->checks && conf->spf_reject)
		warn("spf_reject = yes has no effect with checks = no: mail "
		     "from strangers is not checked");
	if (conf->checks && strcmp(conf->dmarc, "enforce") == 0 &&
	    strcmp(conf->unjudged, "accept") == 0)
		warn("unjudged = accept: while smtpd-judge is not running, "
		     "mail is accepted even if its domain asks to refuse it");
}

/* --- doubts about the files of smtpd-remote ------------------------------- */

/* Without demands on servers, the default file need not exist. */
static void
doubt_authorities(const struct conf *conf)
{
	int fd;

	if (conf->tls_policy[0] == '\0' && conf->remote_passwords[0] == '\0')
		return;
	fd = open(conf->tls_authorities, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		warn_sys("tls_authorities '%s' (mail to destinations with "
			 "tls_policy verify will wait)",
		    conf->tls_authorities);
	else
		(void)close(fd);
}

/* smtpd-remote is never root, and only reads a file of its own user. */
static void
doubt_passwords(const struct conf *conf)
{
	const char *path = conf->remote_passwords;
	struct stat st;

	if (path[0] == '\0')
		return;
	if (stat(path, &st) == -1) {
		if (errno != EACCES)
			warn_sys("remote_passwords '%s'", path);
	} else if (!S_ISREG(st.st_mode) ||
	    readfile_is_lax(&st, READFILE_SECRET) || st.st_uid == 0) {
		warn("remote_passwords '%s' must belong to smtpd-remote's "
		     "user and have mode 0400: routed mail will wait",
		    path);
	}
}

/* Warns of what is valid in a configuration, but hardly intended. */
static void
doubt_all(const struct conf *conf)
{
	doubt_resolver(conf);
	doubt_checks(conf);
	doubt_dkim(conf);
	doubt_authorities(conf);
	doubt_passwords(conf);
}

/* --- check ---------------------------------------------------------------- */

/*
 * Only smtpd-tls can read the keys: it is asked as a session asks it. It answers
 * for the configuration that it runs with, which may differ from that of -c.
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
		warn_sys("certificates and keys were not checked, because "
			 "'%s' cannot be reached (as its user, '" LIBDIR
			 "/smtpd-tls check' checks them)",
		    conf->tls);
		return;
	}
	chan_init(&chan, &room, fd, fd);
	if (chan_recv(&chan, &f, clock_in(TLS_MS)) != IO_OK)
		warn("certificates and keys were not checked: '%s' does not "
		     "answer",
		    conf->tls);
	else if (f.tag == 'Z')
		die(EXIT_PERM, "TLS is not offered: %.*s",
		    (int)span_skip(f.payload, TLS_CODE_LENGTH).n,
		    span_skip(f.payload, TLS_CODE_LENGTH).p);
	chan_close(&chan);
}

/* Not a doubt: with a bad tls_policy, all mail to other hosts waits. */
static void
check_policy(const struct conf *conf)
{
	static struct tls_policy p;

	if (conf->tls_policy[0] == '\0')
		return;
	tls_policy_load(&p, conf, SPAN("*"), false);
	if (p.trouble[0] != '\0')
		die(EXIT_PERM,
		    "no mail can be sent to other hosts: tls_policy %s",
		    p.trouble);
	tls_policy_free(&p);
}

static bool
is_word(const char *operand, const char *word)
{
	return operand != NULL && strcmp(operand, word) == 0;
}

/* What needs no configuration. */
static bool
needs_no_conf(char *const operands[])
{
	if (operands[0] == NULL ||
	    (is_word(operands[0], "sample") && operands[1] == NULL))
		print_table(false);
	else if (is_word(operands[0], "mdoc") && operands[1] == NULL)
		print_table(true);
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
	/* The sample is needed before there is a configuration. */
	if (argc > 0 && needs_no_conf(argv + 1))
		return EXIT_OK;
	operands = argv +
	    program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT, USAGE);
	if (needs_no_conf(operands))
		return EXIT_OK;
	if (is_word(operands[0], "show") &&
	    (operands[1] == NULL || operands[2] == NULL)) {
		show_settings(&conf, operands[1]);
		return EXIT_OK;
	}
	if (!is_word(operands[0], "check") || operands[1] != NULL)
		die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s",
		    progname, USAGE);
	doubt_all(&conf);
	check_policy(&conf);
	ask_tls(&conf);
	return EXIT_OK;
}
