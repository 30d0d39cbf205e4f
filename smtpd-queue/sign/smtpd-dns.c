/* SPDX-License-Identifier: ISC */
/* Prints what the DNS should say of a domain, and checks what it says. */
#include <errno.h>
#include <grp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "address.h"
#include "bufio.h"
#include "confine.h"
#include "program.h"
#include "published.h"

#define USAGE "zone | policy | caddy | check domain"
#define NOBODY 65534
#define TEXT_MAX 65536
#define DNS_MS 5000    /* for one record */
#define CHECK_MS 60000 /* for all */

_Noreturn static void
die_usage(void)
{
	die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s", progname,
	    USAGE);
}

/* root was needed for the keys only; what follows reads a stranger's octets. */
static void
leave_root(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) == -1 ||
	    setresgid(NOBODY, NOBODY, NOBODY) == -1 ||
	    setresuid(NOBODY, NOBODY, NOBODY) == -1)
		die_sys(EXIT_TEMP, "cannot leave root");
	if (setuid(0) == 0 || geteuid() != NOBODY)
		die(EXIT_BUG, "left root, and could come back");
}

/* Talks with the resolver, and writes; no file, no other program. */
static void
give_up_the_rest(const struct conf *conf)
{
	static const struct confine keep = {
		.calls = { SYS_fcntl, SYS_socket, SYS_connect, SYS_bind,
		    SYS_getsockname, SYS_getpeername, SYS_getsockopt,
		    SYS_setsockopt, SYS_time, SYS_gettimeofday, SYS_getpid,
		    SYS_getrandom, SYS_futex }
	};

	confine(&keep, conf);
}

static void
print(struct sbuf *b)
{
	if (b->bad)
		die(EXIT_TEMP, "out of memory");
	if (io_write(1, b->s, b->len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
	sbuf_reset(b);
}

/* --- check ------------------------------------------------------------------- */

static const char *
word_of(enum published p)
{
	switch (p) {
	case PUBLISHED_RIGHT:
		return "right";
	case PUBLISHED_DOUBT:
		return "note";
	case PUBLISHED_WRONG:
		return "wrong";
	case PUBLISHED_UNKNOWN:
		break;
	}
	return "unknown";
}

/* One line, and for what is not right another: what should be there. */
static void
report(struct sbuf *b, const struct record *record, enum published p,
    const struct sbuf *why)
{
	const char *type = records_type(record->kind);

	if (record->kind == RECORDS_HOST || record->kind == RECORDS_STS_HOST)
		type = "address";
	sbuf_addf(b, "%-8s%s. %s: %s\n", word_of(p), record->name,
	    type == NULL ? "DKIM" : type, why->s);
	if (p == PUBLISHED_WRONG || p == PUBLISHED_DOUBT) {
		sbuf_adds(b, "        should be: ");
		records_print_one(b, record);
	}
}

static enum exitcode
check(struct dns_resolver *dns, const struct records *records, struct sbuf *b)
{
	enum exitcode code = EXIT_OK;
	instant end = clock_in(CHECK_MS);
	struct sbuf why;

	sbuf_init(&why, TEXT_MAX);
	for (size_t i = 0; i < records->n; i++) {
		const struct record *record = &records->list[i];
		instant t = clock_in(DNS_MS);
		enum published p = published_check(dns, records, record,
		    t < end ? t : end, &why);

		report(b, record, p, &why);
		print(b);
		if (p == PUBLISHED_WRONG)
			code = EXIT_PERM;
		else if (p == PUBLISHED_UNKNOWN && code == EXIT_OK)
			code = EXIT_TEMP;
		/* Nothing will come of the others. */
		if (p == PUBLISHED_UNKNOWN && i == 0)
			break;
	}
	sbuf_free(&why);
	return code;
}

/* --- what was asked for ----------------------------------------------------- */

enum what { ZONE, POLICY, CADDY, CHECK };

static enum what
parse_what(const char *word)
{
	static const char *const words[] = { "zone", "policy", "caddy",
		"check" };

	for (size_t i = 0; word != NULL && i < nitems(words); i++) {
		if (strcmp(word, words[i]) == 0)
			return (enum what)i;
	}
	die_usage();
}

static void
find_keys(struct keys *keys, const struct conf *conf, struct span domain)
{
	struct sbuf why;

	sbuf_init(&why, TEXT_MAX);
	if (keys_find(keys, conf, domain, &why) == KEYS_BAD)
		die(EXIT_PERM, "%s", why.s);
	sbuf_free(&why);
}

/* All that needs rights has been done when it is over, and no key is left. */
static void
prepare(struct records *records, const struct conf *conf, const char *domain)
{
	static struct keys keys;
	struct span name = span_str(domain);

	if (!address_is_domain(name))
		die(EXIT_PERM, "'%.300s' is no domain name", domain);
	find_keys(&keys, conf, name);
	if (!records_make(records, conf, name, &keys))
		die(EXIT_PERM, "'%s': a name in its zone would be too long",
		    domain);
	keys_free(&keys);
	leave_root();
}

int
main(int argc, char *argv[])
{
	static struct records records;
	static struct conf conf;
	enum exitcode code = EXIT_OK;
	struct dns_resolver dns;
	char *const *operands;
	enum what what;
	struct sbuf b;

	operands = argv +
	    program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT, USAGE);
	what = parse_what(operands[0]);
	if (operands[1] == NULL || operands[2] != NULL)
		die_usage();
	prepare(&records, &conf, operands[1]);
	if (!dns_open_resolver(&dns, conf.resolver))
		die_sys(EXIT_TEMP, "cannot open the resolver");
	give_up_the_rest(&conf);
	if (conf.tls_cert[0] == '\0' && what != CHECK)
		warn("no tls_cert is set: the policy of MTA-STS is one for "
		     "testing");
	sbuf_init(&b, TEXT_MAX);
	switch (what) {
	case ZONE:
		records_print(&b, &records);
		break;
	case POLICY:
		records_policy(&b, &conf);
		break;
	case CADDY:
		records_caddy(&b, &records);
		break;
	case CHECK:
		code = check(&dns, &records, &b);
		break;
	}
	print(&b);
	dns_close_resolver(&dns);
	sbuf_free(&b);
	records_free(&records);
	return code;
}
