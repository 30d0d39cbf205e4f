/* SPDX-License-Identifier: ISC */
/* The adviser on mail of strangers: forged fields, SPF, DKIM and DMARC. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "advise.h"
#include "forged.h"
#include "frame.h"
#include "judge-header.h"
#include "judge-report.h"
#include "log.h"
#include "signatures.h"
#include "warm.h"

#ifdef __SANITIZE_ADDRESS__ /* which reserves terabytes */
#define MEMORY_MAX RLIM_INFINITY
#else
#define MEMORY_MAX (512UL * 1024 * 1024)
#endif
#define CPU_SECONDS 20    /* for one message */
#define PIECE (64 * 1024) /* of the text, at a time */
#define FIELDS_ANSWER_MAX FRAME_PAYLOAD_MAX
#define HELO_MAX 512
#define IPREV_NAMES 10

/* One message at a time; after the first two, for checks alone. */
struct judge {
	const struct conf *conf;
	struct dns_resolver dns;
	struct resolve resolve;
	struct fields fields;
	struct from from;
	struct findings found;
	struct sbuf id, helo, local, domain; /* found points into the last 3 */
	char reply[512];                     /* "", or a refusal */
	bool junk;
};

/* --- limits --------------------------------------------------------------- */

/* A stranger's message can make libraries grow and spin, up to here. */
static void
limit_process(void)
{
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_AS, &memory) == -1 ||
	    setrlimit(RLIMIT_CORE, &none) == -1)
		die_sys(EXIT_TEMP, "cannot limit itself");
}

/*
 * SIGPROF kills a process that takes longer. Not RLIMIT_CPU: the first messages
 * of a connection could use up one limit for all, and the last one would go on
 * unjudged.
 */
static void
limit_message(void)
{
	const struct itimerval cpu = { .it_value.tv_sec = CPU_SECONDS };

	if (setitimer(ITIMER_PROF, &cpu, NULL) == -1)
		die_sys(EXIT_TEMP, "cannot limit itself");
}

/*
 * The peer gives us so long for all; part of it is for DNS. An answer that
 * comes later does not count.
 */
static uint64_t
dns_ms(const struct conf *conf)
{
	uint64_t half = conf->helper_timeout * 1000 / 2;
	uint64_t ms = conf->judge_timeout * 1000;

	return (ms < half ? ms : half) * 2 / 3;
}

/*
 * Of this time about a quarter is for the identity that DMARC counts, and half
 * is left for DKIM and DMARC.
 */
#define IPREV_SHARE 8
#define HELO_SHARE 6
#define SPF_SHARE 3

/* --- the client and the sender -------------------------------------------- */

/* RFC 8601 section 3: is one of the address's names the name of it? */
static enum iprev_result
check_iprev(struct resolve *r, const struct ip *ip, char name[DNS_NAME_SIZE])
{
	enum iprev_result result = IPREV_FAIL;
	struct dns_host hosts[IPREV_NAMES];
	size_t nhosts;
	enum dns_result found = r->ptr(r, ip, hosts, nitems(hosts), &nhosts);

	name[0] = '\0';
	if (found != DNS_FOUND)
		return found == DNS_TEMPORARY ? IPREV_TEMPERROR :
						IPREV_PERMERROR;
	for (size_t i = 0; i < nhosts; i++) {
		bool has;

		if (resolve_has_address(r, span_str(hosts[i].name), ip, &has) ==
		    DNS_TEMPORARY)
			result = IPREV_TEMPERROR;
		if (has) {
			memcpy(name, hosts[i].name, DNS_NAME_SIZE);
			return IPREV_PASS;
		}
	}
	return result;
}

static enum spf_result
check_spf(struct judge *j, struct span local, struct span domain)
{
	struct spf_subject who = { .local = local,
		.sender_domain = domain,
		.helo = j->found.helo,
		.ip = j->found.ip };

	return spf_check(&j->resolve, &who);
}

static void
judge_fact(void *context, struct span name, struct span value)
{
	struct judge *j = context;

	if (span_eq(name, SPAN("ip")) && !ip_parse(value, &j->found.ip))
		j->found.ip.size = 0;
	if (span_eq(name, SPAN("helo")))
		sbuf_addspan(&j->helo, value);
	if (span_eq(name, SPAN("id")))
		sbuf_addspan(&j->id, value);
}

static void
check_client(struct judge *j)
{
	struct findings *f = &j->found;
	struct resolve *r = &j->resolve;

	resolve_ahead_ptr(r, &f->ip);
	spf_ahead(r, f->helo);
	spf_ahead(r, f->domain);
	resolve_step(r, r->left / IPREV_SHARE);
	f->iprev = check_iprev(r, &f->ip, f->iprev_name);
	resolve_step(r, r->left / (f->domain.n > 0 ? HELO_SHARE : SPF_SHARE));
	f->spf_helo = check_spf(j, SPAN("postmaster"), f->helo);
	if (f->domain.n == 0)
		return;
	resolve_step(r, r->left / SPF_SHARE);
	f->spf_mailfrom = check_spf(j, f->local, f->domain);
}

static void
judge_sender(void *context, const struct envelope_path *from)
{
	struct judge *j = context;

	sbuf_reset(&j->local);
	sbuf_reset(&j->domain);
	sbuf_addspan(&j->local, from->address.local);
	sbuf_addspan(&j->domain, from->address.domain);
	j->found.helo = sbuf_span(&j->helo);
	j->found.local = sbuf_span(&j->local);
	j->found.domain = sbuf_span(&j->domain);
	if (j->found.ip.size > 0)
		check_client(j);
}

/* --- the parts of the message --------------------------------------------- */

static void
read_from(struct judge *j, struct span field)
{
	field = span_skip(field, span_find(field, ':') + 1);
	from_begin(&j->from);
	for (size_t i = 0; i < field.n; i++)
		from_push(&j->from, field.p[i]);
	from_end(&j->from);
}

static void
on_field(void *context, struct span field, struct span name)
{
	signatures_field(field, name);
	if (span_ieq(name, SPAN("From")))
		read_from(context, field);
}

/* A From that some readers would show, and others never see. */
static void
on_stray_line(void *context, struct span line)
{
	struct judge *j = context;
	struct span rest = line;

	if (!span_ieq(span_trim(span_cut(&rest, ':')), SPAN("From")) ||
	    rest.p == line.p + line.n)
		return;
	read_from(j, line);
	j->from.bad = true;
}

static void
on_end_of_header(void *context)
{
	struct judge *j = context;

	signatures_end_of_header(j->fields.too_large);
	dmarc_ahead(&j->resolve, &j->from);
}

static void
on_body(void *context, struct span s)
{
	(void)context;
	signatures_body(s);
}

static void
judge_begin(void *context)
{
	static const struct fields_sink sink = { on_field, on_end_of_header,
		on_body, on_stray_line };
	struct judge *j = context;

	limit_message();
	dns_refresh(&j->dns);
	sbuf_reset(&j->id);
	sbuf_reset(&j->helo);
	sbuf_reset(&j->local);
	sbuf_reset(&j->domain);
	j->found = (struct findings){ .nsignatures = 0 };
	j->junk = false;
	j->reply[0] = '\0';
	from_init(&j->from);
	fields_begin(&j->fields, &sink, j);
	signatures_begin();
	resolve_start(&j->resolve, dns_ms(j->conf));
}

/* --- the verdict ---------------------------------------------------------- */

static void
lower_domain(char *to, struct span from)
{
	size_t n = from.n < DNS_NAME_MAX ? from.n : 0;

	for (size_t i = 0; i < n; i++)
		to[i] = ascii_lower(from.p[i]);
	if (n > 0 && to[n - 1] == '.')
		n--;
	to[n] = '\0';
}

/* What SPF and DKIM have found, for DMARC. */
static size_t
identify_domains(const struct findings *f, struct dmarc_identifier *ids,
    char names[DMARC_IDENTIFIERS_MAX][DNS_NAME_SIZE])
{
	bool null = f->domain.n == 0;
	enum spf_result spf = null ? f->spf_helo : f->spf_mailfrom;
	size_t n = 0;

	if (spf == SPF_FRONT_PASS || spf == SPF_FRONT_TEMPERROR) {
		lower_domain(names[n], null ? f->helo : f->domain);
		ids[n++] = (struct dmarc_identifier){ .spf = true,
			.temporary = spf == SPF_FRONT_TEMPERROR };
	}
	for (size_t i = 0; i < f->nsignatures; i++) {
		const struct signature *s = &f->signatures[i];

		if (s->result != SIGNATURE_PASS &&
		    s->result != SIGNATURE_TEMPERROR)
			continue;
		lower_domain(names[n], span_str(s->domain));
		ids[n++] = (struct dmarc_identifier){ .temporary = s->result ==
			    SIGNATURE_TEMPERROR };
	}
	for (size_t i = 0; i < n; i++)
		ids[i].domain = span_str(names[i]);
	return n;
}

static void
set_refusal(struct judge *j, const char *begin, const char *domain,
    const char *end)
{
	(void)snprintf(j->reply, sizeof(j->reply), "%s of %s %s", begin, domain,
	    end);
}

/* The domain, in octets that a reply may have. */
static const char *
shown_domain(const struct judge *j, char to[DNS_NAME_SIZE])
{
	lower_domain(to,
	    j->found.domain.n > 0 ? j->found.domain : j->found.helo);
	for (char *p = to; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
	return to;
}

static void
decide_message(struct judge *j)
{
	const struct findings *f = &j->found;
	const struct dmarc_verdict *v = &f->dmarc;
	enum spf_result spf = f->domain.n == 0 ? f->spf_helo : f->spf_mailfrom;
	char domain[DNS_NAME_SIZE];

	if (f->ip.size > 0 && spf == SPF_FRONT_FAIL && j->conf->spf_reject)
		set_refusal(j, "550 5.7.23 The SPF policy",
		    shown_domain(j, domain),
		    "does not permit your address to send its mail");
	if (strcmp(j->conf->dmarc, "enforce") != 0)
		return;
	if (v->policy == DMARC_WISH_REJECT)
		set_refusal(j, "550 5.7.26 The DMARC policy", v->domain,
		    "asks to reject mail that is not authenticated");
	/* A From that readers see differently is a trick, or as bad as a trick. */
	j->junk = v->policy == DMARC_WISH_QUARANTINE ||
	    (v->result == DMARC_PERMERROR &&
		(j->from.bad || j->from.fields > 1));
}

static void
log_judged(const struct judge *j)
{
	const struct findings *f = &j->found;
	struct logline l;

	log_begin(&l, j->id.len > 0 ? j->id.s : NULL, "judged");
	if (f->domain.n > 0)
		log_str(&l, "spf", spf_result_text(f->spf_mailfrom));
	log_str(&l, "helo", spf_result_text(f->spf_helo));
	log_str(&l, "iprev", iprev_result_text(f->iprev));
	for (size_t i = 0; i < f->nsignatures; i++) {
		log_str(&l, "dkim",
		    signature_result_text(f->signatures[i].result));
		log_str(&l, "d", f->signatures[i].domain);
	}
	log_str(&l, "dmarc", dmarc_result_text(f->dmarc.result));
	log_str(&l, "policy", dmarc_wish_text(f->dmarc.policy));
	log_str(&l, "from", f->dmarc.domain);
	log_str(&l, "do",
	    j->reply[0] != '\0' ? "refuse" :
		j->junk         ? "junk" :
				  "pass");
	log_num(&l, "queries", j->resolve.queries);
	log_end(&l);
}

/* All of the message is there. */
static void
judge_end(struct judge *j)
{
	static char names[DMARC_IDENTIFIERS_MAX][DNS_NAME_SIZE];
	struct dmarc_identifier ids[DMARC_IDENTIFIERS_MAX];
	size_t n;

	fields_end(&j->fields);
	j->from.bad = j->from.bad || j->fields.too_large;
	j->from.fields += j->fields.too_large;
	j->found.nsignatures = signatures_finish(j->found.signatures);
	n = identify_domains(&j->found, ids, names);
	dmarc_check(&j->resolve, &j->from, ids, n, &j->found.dmarc);
	decide_message(j);
}

static void
give_advice(const struct judge *j)
{
	struct sbuf fields;

	sbuf_init(&fields, FIELDS_ANSWER_MAX);
	report_findings(&fields, j->conf->hostname, &j->found);
	log_judged(j);
	if (fields.bad) {
		advise_later(SPAN("451 4.3.0 Out of memory"));
	} else {
		advise_top(sbuf_span(&fields));
		if (j->junk)
			advise_mark(SPAN("junk"));
		if (j->reply[0] != '\0')
			advise_refuse(span_str(j->reply));
		else
			advise_pass();
	}
	sbuf_free(&fields);
}

static void
only_clean(void *context, const struct advise_text *text)
{
	const struct judge *j = context;

	if (forged_advise(text, j->conf->hostname))
		advise_pass();
}

/* The octets are judged as they were received. */
static void
clean_and_judge(void *context, const struct advise_text *text)
{
	static char piece[PIECE];
	struct judge *j = context;
	uint64_t at = 0;
	ssize_t n;

	if (!forged_advise(text, j->conf->hostname))
		return;
	while ((n = advise_read(text, at, piece, sizeof(piece))) > 0) {
		fields_push(&j->fields, span_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	if (n < 0) {
		warn_sys("cannot read the text");
		advise_later(ADVISE_LOCAL_ERROR);
		return;
	}
	judge_end(j);
	give_advice(j);
}

/* --- a rehearsal, in which libraries do what they do once a process ------- */

/* The keys of RFC 8463; nothing need have been signed with them. */
#define RSA_KEY \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTz" \
	"WRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3" \
	"FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz" \
	"BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define ED_KEY \
	"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

/* Octets of 1, in base64. */
#define ONES_9 "AQEBAQEBAQEB"
#define ONES_27 ONES_9 ONES_9 ONES_9
#define ONES_32 ONES_27 "AQEBAQE="
#define ONES_64 ONES_27 ONES_27 ONES_9 "AQ=="
#define ONES_128 ONES_27 ONES_27 ONES_27 ONES_27 ONES_9 ONES_9 "AQE="
#define SIGNATURE(selector, algorithm, b) \
	"DKIM-Signature: v=1; a=" algorithm "; c=relaxed/relaxed;\r\n" \
	" d=a.example; s=" selector "; h=From:To:Subject;\r\n" \
	" bh=" ONES_32 ";\r\n b=" b

static const struct {
	struct span name, field;
} rehearsed_fields[] = {
	{ SPAN("DKIM-Signature"),
	    SPAN(SIGNATURE("rsa", "rsa-sha256", ONES_128)) },
	{ SPAN("DKIM-Signature"),
	    SPAN(SIGNATURE("ed", "ed25519-sha256", ONES_64)) },
	{ SPAN("From"), SPAN("From: a@a.example") },
	{ SPAN("To"), SPAN("To: b@b.example") },
	{ SPAN("Subject"), SPAN("Subject: x") },
};

static enum dns_result
rehearsed_txt(struct resolve *r, struct span name, struct dns_texts *out)
{
	(void)r;
	*out = (struct dns_texts){ .text = calloc(1, sizeof(*out->text)) };
	if (out->text == NULL)
		return DNS_TEMPORARY;
	out->n = 1;
	out->text[0] = span_starts(name, SPAN("rsa.")) ? SPAN(RSA_KEY) :
	    span_starts(name, SPAN("ed."))             ? SPAN(ED_KEY) :
							 SPAN("v=spf1 a -all");
	return DNS_FOUND;
}

static enum dns_result
rehearsed_family(struct resolve *r, struct span name, unsigned char size,
    struct ip *out, size_t max, size_t *n)
{
	(void)r;
	(void)name;
	*n = max > 0;
	if (max > 0)
		*out = (struct ip){ .octets = { 198, 51, 100, 1 },
			.size = size };
	return DNS_FOUND;
}

/*
 * Judges a message of its own with a DNS of its own, in a process that is
 * going to be forked for each conversation. The result does not matter.
 */
static void
judge_rehearse(struct resolve *r)
{
	static struct signature list[SIGNATURES_MAX];
	const struct resolve real = *r;
	const struct spf_subject who = { .local = SPAN("a"),
		.sender_domain = SPAN("a.example"),
		.helo = SPAN("a.example"),
		.ip = { .octets = { 192, 0, 2, 1 }, .size = 4 } };

	r->txt = rehearsed_txt;
	r->family = rehearsed_family;
	r->ahead = false;
	resolve_start(r, 1000);
	signatures_begin();
	for (size_t i = 0; i < nitems(rehearsed_fields); i++)
		signatures_field(rehearsed_fields[i].field,
		    rehearsed_fields[i].name);
	signatures_end_of_header(false);
	signatures_body(SPAN("x\r\n"));
	(void)signatures_finish(list);
	(void)spf_check(r, &who);
	*r = real;
}

/* --- the process ---------------------------------------------------------- */

static const struct confine clean_keep = { .calls = { SYS_getrandom, SYS_getpid,
					       SYS_gettid, SYS_tgkill } };

/*
 * Sockets to the resolver too, and what the libraries use. Not AF_UNIX:
 * /run/smtpd/queue-user takes mail from any process.
 */
static const struct confine check_keep = {
	.calls = { SYS_getrandom, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_fcntl,
	    SYS_socket, SYS_connect, SYS_bind, SYS_getsockname, SYS_getsockopt,
	    SYS_setsockopt, SYS_time, SYS_gettimeofday, SYS_setitimer,
	    SYS_futex, SYS_uname },
	.families = { AF_INET, AF_INET6 },
};

static const struct adviser cleaner = { .text = only_clean };
static const struct adviser checker = { .begin = judge_begin,
	.fact = judge_fact,
	.sender = judge_sender,
	.text = clean_and_judge };

/* All that forks can share; each opens a socket of its own. */
static void
prepare_checks(struct judge *j)
{
	uint64_t since;

	if (!dns_init_resolver(&j->dns, j->conf->resolver))
		die_sys(EXIT_TEMP, "cannot use the resolver");
	resolve_init(&j->resolve, &j->dns);
	if (!dns_keep(&j->dns) || !signatures_init(&j->resolve) ||
	    !dmarc_record_init())
		die(EXIT_TEMP, "out of memory");
	fields_init(&j->fields);
	sbuf_init(&j->id, 64);
	sbuf_init(&j->helo, HELO_MAX);
	sbuf_init(&j->local, HELO_MAX);
	sbuf_init(&j->domain, HELO_MAX);
	if (warm_is(&since))
		judge_rehearse(&j->resolve);
}

/*
 * Without the libraries a start costs a third, and so do forks. If smtpd-clean
 * is not beside us we do what it does.
 */
static void
hand_over_to_clean(char *argv[])
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	size_t dir = n > 0 ? span_rfind(span_of(path, (size_t)n), '/') : 0;

	if (n <= 0)
		return;
	memcpy(path + dir, "/smtpd-clean", sizeof("/smtpd-clean"));
	(void)execv(path, argv);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct judge judge = { .conf = &conf };
	uint64_t since;
	bool checks;

	advise_start(argc, argv, &conf);
	checks = conf.checks;
	if (!checks && warm_is(&since))
		hand_over_to_clean(argv);
	advise_warm(argv, &conf, 1);
	limit_process();
	if (checks)
		prepare_checks(&judge);
	return advise_serve(checks ? &check_keep : &clean_keep,
	    checks ? &checker : &cleaner, &judge, &conf);
}
