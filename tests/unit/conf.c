/* SPDX-License-Identifier: ISC */
/* The settings: values, bounds, errors, and what is printed of them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf-setting.h"
#include "tap.h"

static void
test_defaults(void)
{
	struct conf_where where;
	struct conf c;

	conf_init(&c);
	ok(c.max_size == 10485760 && c.command_timeout == 300 &&
		c.min_free == 64 << 20 && c.queue_lifetime == 86400,
	    "numbers have their defaults");
	is_str(c.queue, "/var/lib/smtpd/queue", "so have texts");
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_setting *s = &conf_settings[i];

		ok(conf_set(&c, span_str(conf_setting_name(s)),
		       span_str(conf_setting_default(s)), &where) == CONF_OK,
		    "the default of %s is valid", conf_setting_name(s));
		/* smtpd-conf writes them into mdoc as they are. */
		ok(strpbrk(conf_setting_meaning(s), "\\\n\"") == NULL &&
			conf_setting_meaning(s)[0] != '.' &&
			conf_setting_meaning(s)[0] != '\'' &&
			conf_setting_meaning(s)
				[strlen(conf_setting_meaning(s)) - 1] != '.',
		    "the meaning of %s is plain", conf_setting_name(s));
	}
	conf_free(&c);
}

static const struct {
	const char *name, *value;
	uint64_t want;
} numbers[] = {
	{ "max_size", "65536", 65536 },
	{ "max_size", "64K", 65536 },
	{ "max_size", "25M", 26214400 },
	{ "max_size", "1G", 1073741824 },
	{ "max_size", "2147483647", 2147483647 },
	{ "min_free", "0", 0 },
	{ "min_free", "0K", 0 },
	{ "min_free", "1024G", UINT64_C(1) << 40 },
	{ "command_timeout", "1", 1 },
	{ "command_timeout", "1s", 1 },
	{ "command_timeout", "90m", 5400 },
	{ "command_timeout", "24h", 86400 },
	{ "command_timeout", "1d", 86400 },
	{ "queue_lifetime", "5d", 432000 },
	{ "max_recipients", "100", 100 },
	{ "max_recipients", "1000", 1000 },
	{ "max_recipients", "0100", 100 },
	{ "min_uid", "4294967293", 4294967293 },
};

static void
test_numbers(void)
{
	for (size_t i = 0; i < nitems(numbers); i++) {
		struct conf_where where;
		const struct conf_setting
		    *s = conf_setting_find(span_str(numbers[i].name), &where);
		struct conf c;

		conf_init(&c);
		if (conf_set(&c, span_str(numbers[i].name),
			span_str(numbers[i].value), &where) != CONF_OK)
			ok(false, "%s", where.what);
		else
			is_num((long long)*(uint64_t *)(void *)((char *)&c +
				   s->offset),
			    (long long)numbers[i].want, "%s = %s",
			    numbers[i].name, numbers[i].value);
		conf_free(&c);
	}
}

#define IS_NOT "' is not "

static const struct {
	const char *text;
	unsigned line;
	const char *what;
} errors[] = {
	/* Lines. */
	{ "queue\n", 1, "expected 'name = value'" },
	{ "\n# x = y\n\tqueue /q\n", 3, "expected 'name = value'" },
	{ "= /q\n", 1, "unknown setting ''" },
	{ "queue = /q\r\n", 1, "carriage return: lines must end in LF only" },
	{ "\n# a\001\n", 2, "control character 0x01" },
	{ "queue = /q\177", 1, "control character 0x7f" },
	{ "queue = /a\n\nqueue = /a\n", 3,
	    "'queue' was already set on line 1" },
	/* Names. */
	{ "quue = /q", 1, "unknown setting 'quue': did you mean 'queue'?" },
	{ "Queue = /q", 1, "unknown setting 'Queue': did you mean 'queue'?" },
	{ "queue_lifetme = 1d", 1,
	    "unknown setting 'queue_lifetme': did you mean 'queue_lifetime'?" },
	{ "local-domains = a", 1,
	    "unknown setting 'local-domains': did you mean 'local_domains'?" },
	{ "ueue = /q", 1, "unknown setting 'ueue': did you mean 'queue'?" },
	{ "xqueue = /q", 1, "unknown setting 'xqueue': did you mean 'queue'?" },
	{ "submxxxer = /q", 1,
	    "unknown setting 'submxxxer': did you mean 'submitter'?" },
	{ "suxxxxter = /q", 1, "unknown setting 'suxxxxter'" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1", 1,
	    "unknown setting 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1", 1,
	    "unknown setting 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'" },
	{ "domain = a", 1, "unknown setting 'domain'" },
	{ "que ue = /q", 1, "unknown setting 'que ue': did you mean 'queue'?" },
	/* Values. */
	{ "max_size = 10T", 1,
	    "max_size: '10T" IS_NOT "a size from 64K to "
	    "2147483647 (octets; K, M or G may follow)" },
	{ "max_size = 25m", 1,
	    "max_size: '25m" IS_NOT "a size from 64K to "
	    "2147483647 (octets; K, M or G may follow)" },
	{ "min_free = 1025G", 1,
	    "min_free: '1025G" IS_NOT "a size from 0 to "
	    "1024G (octets; K, M or G may follow)" },
	{ "min_free = 18446744073709551616", 1,
	    "min_free: "
	    "'18446744073709551616" IS_NOT "a size from 0 to "
	    "1024G (octets; K, M or G may follow)" },
	{ "min_free = 17179869184G", 1,
	    "min_free: '17179869184G" IS_NOT
	    "a size from 0 to 1024G (octets; K, M or G may follow)" },
	{ "min_free = K", 1,
	    "min_free: 'K" IS_NOT
	    "a size from 0 to 1024G (octets; K, M or G may follow)" },
	{ "command_timeout = 0", 1,
	    "command_timeout: '0" IS_NOT "a time from "
	    "1s to 1d (seconds; s, m, h or d may follow)" },
	{ "command_timeout = 25h", 1,
	    "command_timeout: '25h" IS_NOT "a time "
	    "from 1s to 1d (seconds; s, m, h or d may follow)" },
	{ "command_timeout = 1h30m", 1,
	    "command_timeout: '1h30m" IS_NOT
	    "a time from 1s to 1d (seconds; s, m, h or d may follow)" },
	{ "command_timeout = -1", 1,
	    "command_timeout: '-1" IS_NOT
	    "a time from 1s to 1d (seconds; s, m, h or d may follow)" },
	{ "max_recipients = 99", 1,
	    "max_recipients: '99" IS_NOT "a number from 100 to 1000" },
	{ "max_recipients = 1001", 1,
	    "max_recipients: '1001" IS_NOT "a number from 100 to 1000" },
	{ "max_recipients = 100 # few", 1,
	    "max_recipients: '100 # few" IS_NOT
	    "a number from 100 to 1000; a comment needs a line of its own" },
	{ "max_recipients =", 1,
	    "max_recipients: '" IS_NOT
	    "a number from 100 to 1000 (it may not be empty)" },
	{ "min_uid = 0", 1,
	    "min_uid: '0" IS_NOT "a number from 1 to 4294967293" },
	{ "hostname = mail_1", 1, "hostname: 'mail_1" IS_NOT "a domain name" },
	{ "hostname = a b", 1, "hostname: 'a b" IS_NOT "a domain name" },
	{ "local_domains = a b. c", 1,
	    "local_domains: 'b." IS_NOT "a domain name" },
	{ "relay_clients = 10.0.0.0/8 10.0.0.1/8", 1,
	    "relay_clients: "
	    "'10.0.0.1/8" IS_NOT "a network (ADDRESS or ADDRESS/BITS)" },
	{ "resolver = ::1 127.0.0.1:x", 1,
	    "resolver: '127.0.0.1:x" IS_NOT
	    "an address (IP, IPv4:PORT or [IPv6]:PORT)" },
	{ "nss_sentinel = a b", 1,
	    "nss_sentinel: 'a b" IS_NOT "a word without blanks" },
	{ "nss_sentinel =", 1,
	    "nss_sentinel: '" IS_NOT
	    "a word without blanks (it may not be empty)" },
	{ "queue = q", 1, "queue: 'q" IS_NOT "an absolute path" },
	{ "tls_cert = /a b.pem", 1,
	    "tls_cert: 'b.pem" IS_NOT "an absolute path" },
	{ "profile = smtp", 1,
	    "profile: 'smtp" IS_NOT "one of: mx submission submissions" },
	{ "injector = queue-in", 1,
	    "injector: 'queue-in" IS_NOT
	    "the absolute path of a socket, or a command with an absolute path" },
	{ "confine = Deny", 1,
	    "confine: 'Deny" IS_NOT "one of: deny kill off" },
	{ "confine = deny kill", 1,
	    "confine: 'deny kill" IS_NOT "one of: deny kill off" },
};

static void
test_errors(void)
{
	struct conf_where where;
	struct conf c;

	for (size_t i = 0; i < nitems(errors); i++) {
		conf_init(&c);
		ok(conf_parse(&c, span_str(errors[i].text), &where) ==
			    CONF_BAD &&
			where.line == errors[i].line,
		    "line %u of error %zu", errors[i].line, i);
		is_str(where.what, errors[i].what, "error %zu", i);
		conf_free(&c);
	}
	conf_init(&c);
	ok(conf_parse(&c, SPAN("queue = /q\0"), &where) == CONF_BAD &&
		strcmp(where.what, "control character 0x00") == 0,
	    "a NUL");
	conf_free(&c);
}

/* A long value does not make a long error. */
static void
test_long_error(void)
{
	char name[3000];
	struct conf_where where;
	struct conf c;

	memset(name, 'x', sizeof(name));
	conf_init(&c);
	ok(conf_set(&c, span_of(name, sizeof(name)), SPAN(""), &where) ==
		    CONF_BAD &&
		strlen(where.what) < 100,
	    "a long name is cut");
	ok(conf_set(&c, SPAN("queue"), span_of(name, sizeof(name)), &where) ==
		    CONF_BAD &&
		strlen(where.what) < 200,
	    "so is a long value");
	conf_free(&c);
}

static void
test_text(void)
{
	const struct span text =
	    SPAN("# comment\n\n \t \n"
		 "  max_recipients\t=200  \nqueue=/my queue # one\n"
		 "local_domains = A.example\tb.example\n"
		 "relay_clients =\ninjector = /bin/x in -v=1");
	struct conf_where where;
	struct conf c;

	conf_init(&c);
	ok(conf_parse(&c, text, &where) == CONF_OK, "a file");
	is_num((long long)c.max_recipients, 200, "a number");
	is_str(c.queue, "/my queue # one", "a path with a blank and a #");
	is_str(c.local_domains, "A.example\tb.example", "a list");
	is_str(c.relay_clients, "", "an empty list");
	is_str(c.injector, "/bin/x in -v=1", "the last line needs no end");
	ok(conf_parse(&c, SPAN("queue = /other"), &where) == CONF_OK &&
		strcmp(c.queue, "/other") == 0,
	    "a second file wins");
	ok(conf_set(&c, SPAN(" queue "), SPAN(" /third "), &where) == CONF_OK &&
		strcmp(c.queue, "/third") == 0,
	    "an option wins");
	ok(conf_set(&c, SPAN("quee"), SPAN("/q"), &where) == CONF_BAD &&
		where.line == 0,
	    "an option may be wrong");
	ok(conf_set(&c, SPAN("queue"), SPAN("/q\nx"), &where) == CONF_BAD,
	    "and holds one line");
	ok(conf_has_domain(c.local_domains, SPAN("a.EXAMPLE")) &&
		conf_has_domain(c.local_domains, SPAN("b.example")) &&
		!conf_has_domain(c.local_domains, SPAN("example")) &&
		!conf_has_domain(c.local_domains, SPAN("")) &&
		!conf_has_domain("", SPAN("")),
	    "a list is searched");
	conf_free(&c);
}

static void
set(struct conf *c, const char *name, const char *value)
{
	struct conf_where where;

	if (conf_set(c, span_str(name), span_str(value), &where) != CONF_OK)
		abort();
}

static void
test_flags(void)
{
	struct conf_where where;
	struct sbuf b;
	struct conf c;

	conf_init(&c);
	sbuf_init(&b, 1 << 16);
	ok(c.checks && !c.spf_reject && !c.mx_loopback,
	    "flags have their defaults");
	set(&c, "checks", "no");
	set(&c, "spf_reject", "yes");
	set(&c, "mx_loopback", "allow");
	ok(!c.checks && c.spf_reject && c.mx_loopback, "flags are set");
	conf_print(&b, &c);
	ok(strstr(b.s, "\nchecks = no\n") != NULL &&
		strstr(b.s, "\nspf_reject = yes\n") != NULL &&
		strstr(b.s, "\nmx_loopback = allow\n") != NULL,
	    "and printed in their own words");
	ok(conf_set(&c, SPAN("checks"), SPAN("allow"), &where) == CONF_BAD &&
		!c.checks,
	    "not in those of another");
	is_str(where.what, "checks: 'allow' is not one of: no yes",
	    "and it says so");
	sbuf_free(&b);
	conf_free(&c);
}

static void
test_finish(void)
{
	struct conf_where where;
	struct conf c;

	conf_init(&c);
	set(&c, "hostname", "mx.example");
	ok(conf_finish(&c, &where) == CONF_OK, "is complete");
	is_str(c.local_domains, "mx.example", "hostname is local");
	set(&c, "local_domains", "x.example");
	ok(conf_finish(&c, &where) == CONF_OK &&
		strcmp(c.local_domains, "x.example") == 0,
	    "or what is set");
	set(&c, "maildir", "..");
	ok(conf_finish(&c, &where) == CONF_BAD, "maildir is no ..");
	set(&c, "maildir", "a/b");
	ok(conf_finish(&c, &where) == CONF_BAD, "maildir has no slash");
	is_str(where.what, "maildir: 'a/b' is not the name of a single folder",
	    "and it says so");
	set(&c, "maildir", "Maildir");
	set(&c, "require_tls", "yes");
	ok(conf_finish(&c, &where) == CONF_BAD, "TLS needs a certificate");
	is_str(where.what, "require_tls = yes needs a tls_cert",
	    "and it says so");
	set(&c, "require_tls", "no");
	set(&c, "profile", "submissions");
	ok(conf_finish(&c, &where) == CONF_BAD, "TLS needs a certificate");
	is_str(where.what, "profile = submissions needs a tls_cert",
	    "and it says so");
	set(&c, "tls_cert", "/a /b");
	set(&c, "tls_key", "/c");
	ok(conf_finish(&c, &where) == CONF_BAD, "each has its key");
	is_str(where.what,
	    "tls_cert names 2 certificates, but tls_key names 1 keys",
	    "and it says so");
	set(&c, "tls_key", "/c  /d");
	ok(conf_finish(&c, &where) == CONF_OK, "as many are right");
	conf_free(&c);
}

/* The system's own name, when it may be changed here. */
static void
test_system_name(void)
{
	struct conf_where where;
	struct conf c;
	char name[65] = "";

	if (gethostname(name, sizeof(name) - 1) != 0)
		abort();
	conf_init(&c);
	if (conf_finish(&c, &where) == CONF_OK)
		is_str(c.hostname, name, "hostname is the system's");
	else
		ok(strstr(where.what, "set hostname") != NULL,
		    "a bad name of the system is said");
	conf_free(&c);
}

static int
file_of(const char *text, size_t n)
{
	int fd = memfd_create("conf", 0);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n)
		abort();
	return fd;
}

static enum conf_result
load_fd(int fd, struct conf *c, struct conf_where *where)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return conf_load(c, path, where);
}

static void
test_load(void)
{
	static char big[CONF_FILE_MAX + 1];
	struct conf_where where;
	struct conf c;
	int fd, pair[2];

	conf_init(&c);
	fd = file_of("queue = /q\n", 11);
	ok(load_fd(fd, &c, &where) == CONF_OK && strcmp(c.queue, "/q") == 0,
	    "a file is read");
	close(fd);
	if (pipe(pair) != 0 || write(pair[1], "queue = /p", 10) != 10)
		abort();
	close(pair[1]);
	ok(load_fd(pair[0], &c, &where) == CONF_OK &&
		strcmp(c.queue, "/p") == 0,
	    "so is a pipe");
	close(pair[0]);
	fd = file_of("", 0);
	ok(load_fd(fd, &c, &where) == CONF_OK, "and an empty file");
	close(fd);
	memset(big, '#', sizeof(big));
	fd = file_of(big, sizeof(big) - 1);
	ok(load_fd(fd, &c, &where) == CONF_OK, "the largest file");
	if (write(fd, "\n", 1) != 1)
		abort();
	ok(load_fd(fd, &c, &where) == CONF_BAD && where.line == 0,
	    "not a larger one");
	close(fd);
	ok(conf_load(&c, "/dev/zero", &where) == CONF_BAD && where.line == 0,
	    "nor what never ends");
	errno = 0;
	ok(conf_load(&c, "/nonexistent/x", &where) == CONF_IOERR &&
		errno == ENOENT,
	    "a missing file is no wrong file");
	ok(conf_load(&c, "/", &where) == CONF_IOERR && errno == EISDIR,
	    "nor is a directory");
	conf_free(&c);
}

/* What is printed can be read again, and is the same then. */
static void
test_print(void)
{
	struct conf_where where;
	struct sbuf one, two;
	struct conf c;

	sbuf_init(&one, 1 << 16);
	sbuf_init(&two, 1 << 16);
	conf_init(&c);
	set(&c, "hostname", "mx.example");
	set(&c, "min_free", "1000001");
	conf_print(&one, &c);
	conf_free(&c);
	conf_init(&c);
	ok(conf_parse(&c, sbuf_span(&one), &where) == CONF_OK,
	    "what is printed is a file");
	conf_print(&two, &c);
	is_span(sbuf_span(&two), sbuf_span(&one), "and says the same");
	ok(strstr(one.s, "\nmin_free = 1000001\n") != NULL &&
		strstr(one.s, "\nmax_size = 10M\n") != NULL &&
		strstr(one.s, "\nrelay_clients =\n") != NULL,
	    "in units that are exact");
	sbuf_reset(&one);
	conf_setting_print(&one, conf_setting_find(SPAN("min_free"), &where),
	    &c);
	is_str(one.s, "1000001", "one of them");
	ok(conf_setting_find(SPAN("minfree"), &where) == NULL &&
		strstr(where.what, "min_free") != NULL,
	    "not one unknown");
	conf_free(&c);
	sbuf_free(&one);
	sbuf_free(&two);
}

int
main(void)
{
	test_defaults();
	test_numbers();
	test_errors();
	test_long_error();
	test_text();
	test_flags();
	test_finish();
	test_system_name();
	test_load();
	test_print();
	return done();
}
