/* SPDX-License-Identifier: ISC */
/* smtpd-remote: carries mail to the servers of one destination. */
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "confine.h"
#include "dns/dns.h"
#include "program.h"
#include "remote-mail.h"
#include "serve.h"

#define LIMIT 10000 /* smtpd-send counts; this is a safety net */
#define DESTINATION_MS 60000
#define DNS_MS 60000 /* one look-up with all its retries */

#define TARGET_HOSTS 64     /* of an MX set; more are left out */
#define TARGET_ADDRESSES 16 /* of one host */

/*
 * "mx DOMAIN [PORT]", "mx [LITERAL]" or "host NAME-OR-ADDRESS [PORT [tls]]".
 */
struct destination {
	struct span name;
	uint16_t port;
	bool mx;      /* look for MX records, guard against loops */
	bool literal; /* name is an IP address */
	bool tls;     /* from the first octet (RFC 8314) */
};

struct targets {
	struct dns_mx_host hosts[TARGET_HOSTS];
	size_t n;
	bool implicit; /* the domain itself: it has no MX */
};

struct remote {
	struct conf conf;
	struct destination to;
	struct dns_resolver dns;
	struct client client;
	struct client_plan plan;
	struct targets targets;
	struct client_failure worst; /* of the hosts that were tried */
	char worst_text[MAIL_TEXT];
	char worst_host[CLIENT_HOST];
	bool loop; /* one of them was this host */
};

static struct remote remote;
static struct chan chan;
static struct chan_room room;
static struct mail mail;
static char destination[1024];

/* --- which hosts take the mail of a destination, in which order ---------- */

static const char ourselves[] =
    "554 5.4.6 The mail exchanger is this host itself";
static const struct client_failure fine = { .verdict = MAIL_OPEN };

static struct client_failure
targets_fail(enum mail_verdict v, const char *text)
{
	remote.client.host[0] = '\0';
	return (struct client_failure){
		.verdict = v, .stage = "dns", .text = span_str(text)
	};
}

static bool
destination_strip_literal(struct span *s)
{
	if (s->n < 2 || s->p[0] != '[' || s->p[s->n - 1] != ']')
		return false;
	*s = span_of(s->p + 1, s->n - 2);
	if (span_istarts(*s, SPAN("IPv6:")))
		*s = span_skip(*s, 5);
	return true;
}

static bool
destination_parse(struct span s, uint16_t smtp_port, struct destination *d)
{
	struct span kind = span_word(&s), port, tls;
	uint32_t number = smtp_port;
	struct ip ip;

	d->name = span_word(&s);
	port = span_word(&s);
	tls = span_word(&s);
	d->tls = tls.n > 0;
	d->mx = span_eq(kind, SPAN("mx"));
	d->literal = destination_strip_literal(&d->name) ||
	    ip_parse(d->name, &ip);
	if ((!d->mx && !span_eq(kind, SPAN("host"))) || d->name.n == 0 ||
	    d->name.n > DNS_NAME_MAX || span_word(&s).n > 0 ||
	    (d->tls && (d->mx || !span_eq(tls, SPAN("tls")))) ||
	    (d->literal && !ip_parse(d->name, &ip)) ||
	    (port.n > 0 && (!span_u32(port, 65535, &number) || number == 0)))
		return false;
	d->port = (uint16_t)number;
	return true;
}

static void
targets_only(struct targets *t, struct span name)
{
	t->n = 1;
	t->hosts[0].preference = 0;
	memcpy(t->hosts[0].name, name.p, name.n);
	t->hosts[0].name[name.n] = '\0';
}

/* Fisher and Yates; the order of equal hosts is not a secret. */
static void
targets_shuffle(struct targets *t)
{
	uint32_t random[TARGET_HOSTS];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return;
	for (size_t i = t->n; i > 1; i--) {
		size_t j = random[i - 1] % i;
		struct dns_mx_host h = t->hosts[i - 1];

		t->hosts[i - 1] = t->hosts[j];
		t->hosts[j] = h;
	}
}

static void
targets_sort(struct targets *t)
{
	for (size_t i = 1; i < t->n; i++) {
		struct dns_mx_host h = t->hosts[i];
		size_t j = i;

		for (; j > 0 && t->hosts[j - 1].preference > h.preference; j--)
			t->hosts[j] = t->hosts[j - 1];
		t->hosts[j] = h;
	}
}

/* RFC 5321 5.1: the list ends at our own name. */
static void
targets_cut_at_ourselves(struct targets *t, const char *hostname)
{
	unsigned own = 65536;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (span_ieq(span_str(t->hosts[i].name), span_str(hostname)) &&
		    t->hosts[i].preference < own)
			own = t->hosts[i].preference;
	while (n < t->n && t->hosts[n].preference < own)
		n++;
	t->n = n;
}

static struct client_failure
targets_from_mx(struct targets *t)
{
	if (t->n == 1 && t->hosts[0].name[0] == '\0')
		return targets_fail(MAIL_FAILED,
		    "556 5.1.10 The domain does not accept mail (null MX)");
	targets_shuffle(t);
	targets_sort(t);
	targets_cut_at_ourselves(t, remote.conf.hostname);
	return t->n > 0 ? fine : targets_fail(MAIL_FAILED, ourselves);
}

static instant
targets_deadline(void)
{
	instant t = clock_in(DNS_MS);

	return t < remote.client.deadline ? t : remote.client.deadline;
}

/*
 * The hosts by preference, equal ones shuffled (RFC 5321 5.1, RFC 7505). Our
 * own name and the hosts that are not better are left out.
 */
static struct client_failure
targets_find(const struct destination *d, struct targets *t)
{
	bool secure;

	t->implicit = false;
	if (!d->mx || d->literal) {
		targets_only(t, d->name);
		return fine;
	}
	switch (dns_lookup_mx(&remote.dns, d->name, targets_deadline(),
	    t->hosts, TARGET_HOSTS, &t->n, &secure)) {
	case DNS_FOUND:
		return targets_from_mx(t);
	case DNS_NODATA:
		targets_only(t, d->name);
		t->implicit = true;
		return !span_ieq(d->name, span_str(remote.conf.hostname)) ?
		    fine :
		    targets_fail(MAIL_FAILED, ourselves);
	case DNS_NXDOMAIN:
		return targets_fail(MAIL_FAILED,
		    "550 5.1.2 The domain does not exist");
	case DNS_BAD_NAME:
		return targets_fail(MAIL_FAILED, "550 5.1.2 Not a domain name");
	case DNS_TEMPORARY:
		break;
	}
	return targets_fail(MAIL_DEFERRED,
	    "451 4.4.3 DNS look-up of the domain failed");
}

/* The addresses of one of the hosts. */
static struct client_failure
targets_addresses(const struct destination *d, struct span host, struct ip *ip,
    size_t *n)
{
	bool secure;

	*n = 1;
	if (d->literal)
		return ip_parse(host, ip) ?
		    fine :
		    targets_fail(MAIL_FAILED, "550 5.1.2 Not an address");
	switch (dns_lookup_addresses(&remote.dns, host, targets_deadline(), ip,
	    TARGET_ADDRESSES, n, &secure)) {
	case DNS_FOUND:
		return fine;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
	case DNS_BAD_NAME:
		/* The administrator may have mistyped a route. */
		if (!d->mx)
			return targets_fail(MAIL_DEFERRED,
			    "451 4.4.4 The host in the route has no address");
		return targets_fail(MAIL_FAILED,
		    remote.targets.implicit ?
			"550 5.1.2 The domain has no MX and no address" :
			"550 5.4.4 The mail exchanger has no address");
	case DNS_TEMPORARY:
		break;
	}
	return targets_fail(MAIL_DEFERRED,
	    "451 4.4.3 DNS look-up of the mail exchanger failed");
}

/* --- the hosts are tried ------------------------------------------------- */

/* A temporary failure outweighs a permanent one: that host may come back. */
static void
remote_note_failure(const struct client_failure *why)
{
	struct client_failure *w = &remote.worst;
	size_t n = why->text.n < MAIL_TEXT ? why->text.n : MAIL_TEXT;

	if (why->ourselves) {
		remote.loop = true;
		return;
	}
	if (w->verdict == MAIL_DEFERRED && why->verdict == MAIL_FAILED)
		return;
	*w = *why;
	memcpy(remote.worst_text, why->text.p, n);
	w->text = span_of(remote.worst_text, n);
	memcpy(remote.worst_host, remote.client.host, CLIENT_HOST);
}

static bool
remote_try_host(const char *name)
{
	struct ip ip[TARGET_ADDRESSES];
	struct client_failure why;
	size_t n;

	why = targets_addresses(&remote.to, span_str(name), ip, &n);
	if (why.verdict != MAIL_OPEN) {
		remote_note_failure(&why);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (client_open(&remote.client, name, &ip[i], &remote.plan,
			&why))
			return true;
		remote_note_failure(&why);
		if (remote.loop || clock_left(remote.client.deadline) == 0)
			return false;
	}
	return false;
}

/* Connects to the first host that accepts us. */
static bool
remote_connect(void)
{
	struct client_failure why;

	remote.worst = (struct client_failure){ .verdict = MAIL_OPEN };
	remote.loop = false;
	why = targets_find(&remote.to, &remote.targets);
	if (why.verdict != MAIL_OPEN) {
		remote_note_failure(&why);
		return false;
	}
	for (size_t i = 0; i < remote.targets.n; i++) {
		if (remote_try_host(remote.targets.hosts[i].name))
			return true;
		/* The list ends at ourselves (RFC 5321 5.1). */
		if (remote.loop || clock_left(remote.client.deadline) == 0)
			break;
	}
	return false;
}

static void
remote_decide_unreached(void)
{
	const struct client_failure *w = &remote.worst;

	if (w->verdict == MAIL_OPEN && remote.loop)
		mail_decide_all(&mail, MAIL_FAILED, "connect",
		    span_str(ourselves));
	else if (w->verdict == MAIL_OPEN)
		mail_decide_all(&mail, MAIL_DEFERRED, "connect",
		    SPAN("451 4.4.1 No host could be tried in time"));
	else
		mail_decide_all(&mail, w->verdict, w->stage, w->text);
	memcpy(remote.client.host, remote.worst_host, CLIENT_HOST);
}

static void
remote_deliver(void)
{
	struct client *c = &remote.client;

	if (mail.damaged) {
		mail_decide_all(&mail, MAIL_DEFERRED, "queue",
		    SPAN("451 4.3.0 The queue file is damaged"));
		return;
	}
	if (remote.plan.policy.trouble[0] != '\0') {
		mail_decide_all(&mail, MAIL_DEFERRED, "config",
		    SPAN(
			"451 4.3.5 A configuration file on this host is wrong"));
		return;
	}
	c->deadline = clock_in(remote.conf.remote_timeout * 1000);
	c->id = mail.file.id;
	if (c->fd != -1 && client_transaction(c, &mail))
		return;
	c->tls[0] = '\0';
	remote.worst_host[0] = '\0';
	if (!remote_connect())
		remote_decide_unreached();
	else if (!client_transaction(c, &mail))
		mail_decide_all(&mail, MAIL_DEFERRED, "mail",
		    SPAN("451 4.4.2 The server closed the connection"));
}

static void
remote_take_destination(void)
{
	struct frame f;

	switch (chan_recv(&chan, &f, clock_in(DESTINATION_MS))) {
	case IO_OK:
		break;
	case IO_EOF:
		exit(EXIT_OK);
	case IO_TIMEOUT:
	case IO_ERROR:
		die_sys(EXIT_TEMP, "no destination");
	}
	if (f.tag != 'U' || f.payload.n >= sizeof(destination))
		die(EXIT_TEMP, "not a destination");
	memcpy(destination, f.payload.p, f.payload.n);
	if (!destination_parse(span_of(destination, f.payload.n),
		(uint16_t)remote.conf.smtp_port, &remote.to))
		die(EXIT_TEMP, "malformed destination");
}

/*
 * Reads what the destination needs while files can still be opened. Passwords
 * are read only for a route: a process that talks to strangers has none.
 */
static void
remote_make_plan(void)
{
	struct client_plan *p = &remote.plan;
	const struct conf *conf = &remote.conf;

	p->port = remote.to.port;
	p->guard = remote.to.mx && !conf->mx_loopback;
	p->implicit = remote.to.tls;
	p->literal = remote.to.literal;
	p->authorities = -1;
	if (conf->tls_authorities[0] != '\0')
		p->authorities = open(conf->tls_authorities,
		    O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	tls_policy_load(&p->policy, conf, remote.to.name, !remote.to.mx);
	if (p->policy.tls == TLS_POLICY_VERIFY && p->authorities == -1 &&
	    p->policy.trouble[0] == '\0')
		(void)snprintf(p->policy.trouble, sizeof(p->policy.trouble),
		    "%s: %s", conf->tls_authorities,
		    conf->tls_authorities[0] == '\0' ?
			"tls_authorities is empty" :
			strerror(errno));
	if (p->policy.trouble[0] != '\0')
		warn("%s", p->policy.trouble);
}

/*
 * Keeps sockets; gives up files, programs and other processes. No UNIX sockets:
 * /run/smtpd/submit accepts mail from every user.
 */
static const struct confine keep = {
	.calls = { SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_socket,
	    SYS_connect, SYS_bind, SYS_getsockname, SYS_getpeername,
	    SYS_getsockopt, SYS_setsockopt, SYS_time, SYS_gettimeofday,
	    SYS_getpid, SYS_getrandom, SYS_futex, SYS_gettid, SYS_tgkill },
	.families = { AF_INET, AF_INET6 },
};

int
main(int argc, char *argv[])
{
	enum io r;

	if (program_start(argc, argv, &remote.conf, PROGRAM_UNPRIVILEGED, "") !=
	    argc)
		die(EXIT_PERM, "takes no operands");
	serve(argv, SERVE_AND_REPORT, LIMIT);
	if (!dns_open_resolver(&remote.dns, remote.conf.resolver))
		die_sys(EXIT_TEMP, "cannot open the resolver");
	chan_init(&chan, &room, 0, 1);
	client_init(&remote.client, &remote.conf);
	/* From the scheduler; no stranger's octet has been read yet. */
	remote_take_destination();
	remote_make_plan();
	confine(&keep, &remote.conf);
	while ((r = mail_receive(&mail, &chan)) == IO_OK) {
		remote_deliver();
		r = mail_answer(&mail, &chan, remote.client.host,
		    remote.client.tls);
		mail_close(&mail);
		if (r != IO_OK)
			break;
	}
	client_quit(&remote.client);
	if (r == IO_ERROR)
		die_sys(EXIT_TEMP, "the conversation broke off");
	return EXIT_OK;
}
