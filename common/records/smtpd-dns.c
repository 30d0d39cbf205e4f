/* SPDX-License-Identifier: ISC */
/* Prints the DNS records that a mail domain needs, and checks them. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "address.h"
#include "bufio.h"
#include "confine.h"
#include "program.h"
#include "records-compare.h"

#define USAGE "zone | policy | caddy | check domain"
#define NOBODY 65534
#define TEXT_MAX 65536
#define HOSTS_MAX 32
#define NONE SPAN("not found")
#define DNS_MS 5000    /* for one record */
#define CHECK_MS 60000 /* for all */

_Noreturn static void
dns_tool_die_usage(void)
{
	die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s", progname,
	    USAGE);
}

/* Root was needed for the keys only; what follows reads strangers' octets. */
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

/* Keeps the resolver and the output; no file, no other program. */
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
dns_tool_print(struct sbuf *b)
{
	if (b->bad)
		die(EXIT_TEMP, "out of memory");
	if (io_write(1, b->s, b->len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
	sbuf_reset(b);
}

/* --- what is published ---------------------------------------------------------- */

/* The verdict if a look-up found nothing. */
static enum records_verdict
say_none(enum dns_result r, struct sbuf *why)
{
	switch (r) {
	case DNS_TEMPORARY:
		sbuf_adds(why, "no answer from the DNS");
		return RECORDS_UNKNOWN;
	case DNS_BAD_NAME:
		sbuf_adds(why, "this name cannot be looked up");
		return RECORDS_WRONG;
	case DNS_FOUND:
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		break;
	}
	sbuf_addspan(why, NONE);
	return RECORDS_WRONG;
}

static enum records_verdict
check_txt(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	enum records_verdict result;
	struct dns_texts texts;
	enum dns_result r;
	bool secure;

	r = dns_lookup_txt(dns, span_str(record->name), deadline, &texts,
	    &secure);
	if (r != DNS_FOUND)
		return say_none(r, why);
	result = records_compare(all, record, texts.text, texts.n, why);
	dns_free_texts(&texts);
	return result;
}

/*
 * A domain without DMARC falls under a record above it (RFC 9989). If there
 * are several, receivers choose; the nearest one is shown.
 */
static enum records_verdict
check_dmarc(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	struct span above = span_str(all->domain);
	enum records_verdict result = check_txt(dns, all, record, deadline,
	    why);
	struct record r = { .kind = record->kind };

	if (result != RECORDS_WRONG || !span_eq(sbuf_span(why), NONE))
		return result;
	for (;;) {
		(void)span_cut(&above, '.');
		if (span_find(above, '.') == above.n)
			break;
		(void)snprintf(r.name, sizeof(r.name), "_dmarc.%.*s",
		    (int)above.n, above.p);
		sbuf_reset(why);
		result = check_txt(dns, all, &r, deadline, why);
		if (result == RECORDS_UNKNOWN)
			return result;
		if (result == RECORDS_WRONG)
			continue;
		sbuf_addf(why, " (published for %.*s)", (int)above.n, above.p);
		return RECORDS_DOUBT;
	}
	sbuf_reset(why);
	sbuf_addspan(why, NONE);
	return RECORDS_WRONG;
}

/* Other hosts may be MX too; then the policy has to name them. */
static enum records_verdict
judge_hosts(const struct dns_mx_host *mx, size_t n, struct span host,
    struct sbuf *why)
{
	bool ours = false, others = false;
	struct sbuf list;

	sbuf_init(&list, RECORDS_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		bool is_ours = span_ieq(span_str(mx[i].name), host);

		ours = ours || is_ours;
		others = others || !is_ours;
		sbuf_addf(&list, "%s%u ", i == 0 ? "" : ", ",
		    (unsigned)mx[i].preference);
		records_show(&list, span_str(mx[i].name));
		sbuf_putc(&list, '.');
	}
	if (!ours)
		sbuf_adds(why, "this host is missing; published: ");
	else if (others)
		sbuf_adds(why,
		    "the policy of MTA-STS names this host only; "
		    "there is: ");
	sbuf_addspan(why, sbuf_span(&list));
	sbuf_free(&list);
	return !ours ? RECORDS_WRONG : others ? RECORDS_DOUBT : RECORDS_RIGHT;
}

static enum records_verdict
check_mx(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	struct dns_mx_host mx[HOSTS_MAX];
	enum dns_result r;
	size_t n;
	bool secure;

	r = dns_lookup_mx(dns, span_str(record->name), deadline, mx, HOSTS_MAX,
	    &n, &secure);
	if (r != DNS_FOUND || n == 0)
		return say_none(r, why);
	if (n == 1 && mx[0].name[0] == '\0') {
		sbuf_adds(why, "null MX: the domain accepts no mail");
		return RECORDS_WRONG;
	}
	return judge_hosts(mx, n, span_str(all->conf->hostname), why);
}

/* Has the address the name of the host? Many servers insist on that. */
static enum records_verdict
check_back(struct dns_resolver *dns, const struct ip *ip, struct span host,
    instant deadline, struct sbuf *why)
{
	struct dns_host hosts[HOSTS_MAX];
	enum dns_result r;
	char text[IP_TEXT];
	size_t n;
	bool secure;

	ip_text(ip, text);
	r = dns_lookup_ptr(dns, ip, deadline, hosts, HOSTS_MAX, &n, &secure);
	for (size_t i = 0; r == DNS_FOUND && i < n; i++) {
		if (span_ieq(span_str(hosts[i].name), host))
			return RECORDS_RIGHT;
	}
	sbuf_reset(why);
	if (r == DNS_TEMPORARY) {
		(void)say_none(r, why);
		sbuf_addf(why, " for the name of %s", text);
		return RECORDS_UNKNOWN;
	}
	sbuf_addf(why,
	    "%s has another name (PTR): many servers refuse its mail", text);
	return RECORDS_DOUBT;
}

/* back: check the PTR records too */
static enum records_verdict
check_host(struct dns_resolver *dns, const struct record *record, bool back,
    instant deadline, struct sbuf *why)
{
	struct span name = span_str(record->name);
	enum records_verdict result = RECORDS_RIGHT;
	struct ip ip[HOSTS_MAX];
	char text[IP_TEXT];
	enum dns_result r;
	size_t n;
	bool secure;

	r = dns_lookup_addresses(dns, name, deadline, ip, HOSTS_MAX, &n,
	    &secure);
	if (r != DNS_FOUND || n == 0)
		return say_none(r, why);
	for (size_t i = 0; i < n; i++) {
		ip_text(&ip[i], text);
		sbuf_addf(why, "%s%s", i == 0 ? "" : ", ", text);
	}
	for (size_t i = 0; back && i < n && result == RECORDS_RIGHT; i++)
		result = check_back(dns, &ip[i], name, deadline, why);
	return result;
}

/*
 * Looks up the record and compares it. why: what is published, or what is
 * wrong, safe for a terminal.
 */
static enum records_verdict
check_record(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	sbuf_reset(why);
	switch (record->kind) {
	case RECORDS_MX:
		return check_mx(dns, all, record, deadline, why);
	case RECORDS_HOST:
	case RECORDS_STS_HOST:
		return check_host(dns, record, record->kind == RECORDS_HOST,
		    deadline, why);
	case RECORDS_NO_KEY:
		sbuf_adds(why, "its mail is not signed");
		return RECORDS_WRONG;
	case RECORDS_DMARC:
		return check_dmarc(dns, all, record, deadline, why);
	case RECORDS_SPF:
	case RECORDS_DKIM:
	case RECORDS_STS:
	case RECORDS_TLSRPT:
	case RECORDS_HOST_SPF:
		break;
	}
	return check_txt(dns, all, record, deadline, why);
}

/* --- check ------------------------------------------------------------------- */

static const char *
word_of(enum records_verdict p)
{
	switch (p) {
	case RECORDS_RIGHT:
		return "right";
	case RECORDS_DOUBT:
		return "note";
	case RECORDS_WRONG:
		return "wrong";
	case RECORDS_UNKNOWN:
		break;
	}
	return "unknown";
}

/* One line, and unless it is right a second one: the record to publish. */
static void
dns_tool_report(struct sbuf *b, const struct record *record,
    enum records_verdict p, const struct sbuf *why)
{
	const char *type = records_type(record->kind);

	if (record->kind == RECORDS_HOST || record->kind == RECORDS_STS_HOST)
		type = "address";
	sbuf_addf(b, "%-8s%s. %s: %s\n", word_of(p), record->name,
	    type == NULL ? "DKIM" : type, why->s);
	if (p == RECORDS_WRONG || p == RECORDS_DOUBT) {
		sbuf_adds(b, "        should be: ");
		records_print_one(b, record);
	}
}

static enum exitcode
dns_tool_check(struct dns_resolver *dns, const struct records *records,
    struct sbuf *b)
{
	enum exitcode code = EXIT_OK;
	instant end = clock_in(CHECK_MS);
	struct sbuf why;

	sbuf_init(&why, TEXT_MAX);
	for (size_t i = 0; i < records->n; i++) {
		const struct record *record = &records->list[i];
		instant t = clock_in(DNS_MS);
		enum records_verdict p = check_record(dns, records, record,
		    t < end ? t : end, &why);

		dns_tool_report(b, record, p, &why);
		dns_tool_print(b);
		if (p == RECORDS_WRONG)
			code = EXIT_PERM;
		else if (p == RECORDS_UNKNOWN && code == EXIT_OK)
			code = EXIT_TEMP;
		/* Then the others would not be answered either. */
		if (p == RECORDS_UNKNOWN && i == 0)
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
	dns_tool_die_usage();
}

static void
dns_tool_find_keys(struct dkim_keys *keys, const struct conf *conf,
    struct span domain)
{
	struct sbuf why;

	sbuf_init(&why, TEXT_MAX);
	if (dkim_keys_find(keys, conf, domain, &why) == DKIM_KEYS_BAD)
		die(EXIT_PERM, "%s", why.s);
	sbuf_free(&why);
}

/* Does all that needs rights, then forgets the keys and leaves root. */
static void
dns_tool_prepare(struct records *records, const struct conf *conf,
    const char *domain)
{
	static struct dkim_keys keys;
	struct span name = span_str(domain);

	if (!address_is_domain(name))
		die(EXIT_PERM, "'%.300s' is not a domain name", domain);
	dns_tool_find_keys(&keys, conf, name);
	if (!records_make(records, conf, name, &keys))
		die(EXIT_PERM, "'%s': a name in its zone would be too long",
		    domain);
	dkim_keys_free(&keys);
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
		dns_tool_die_usage();
	dns_tool_prepare(&records, &conf, operands[1]);
	if (!dns_open_resolver(&dns, conf.resolver))
		die_sys(EXIT_TEMP, "cannot open the resolver");
	give_up_the_rest(&conf);
	if (conf.tls_cert[0] == '\0' && what != CHECK)
		warn("tls_cert is not set: the mode of the MTA-STS policy is "
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
		code = dns_tool_check(&dns, &records, &b);
		break;
	}
	dns_tool_print(&b);
	dns_close_resolver(&dns);
	sbuf_free(&b);
	records_free(&records);
	return code;
}
