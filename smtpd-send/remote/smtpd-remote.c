/* SPDX-License-Identifier: ISC */
/* smtpd-remote: carries mail to the servers of one destination. */
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "confine.h"
#include "program.h"
#include "serve.h"
#include "target.h"

#define LIMIT 10000 /* smtpd-send counts; this is a backstop */
#define DESTINATION_MS 60000
#define DNS_MS 60000 /* one look-up with all its retries */

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
static struct mail mail;
static char destination[1024];

static instant
dns_deadline(void)
{
	instant t = clock_in(DNS_MS);

	return t < remote.client.deadline ? t : remote.client.deadline;
}

/* A temporary failure outweighs a permanent one: that host may be back. */
static void
note_failure(const struct client_failure *why)
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

static void
note_target(struct target_failure f)
{
	struct client_failure why = {
		.verdict = f.verdict, .stage = "dns", .text = span_str(f.text)
	};

	remote.client.host[0] = '\0';
	note_failure(&why);
}

static bool
try_host(const char *name)
{
	struct ip ip[TARGET_ADDRESSES];
	struct client_failure why;
	struct target_failure f;
	size_t n;

	f = target_addresses(&remote.to, &remote.targets, &remote.dns,
	    span_str(name), dns_deadline(), ip, &n);
	if (f.verdict != MAIL_OPEN) {
		note_target(f);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (client_open(&remote.client, name, &ip[i], &remote.plan,
			&why))
			return true;
		note_failure(&why);
		if (remote.loop || clock_left(remote.client.deadline) == 0)
			return false;
	}
	return false;
}

/* Connects to the first host that takes us. */
static bool
connect_any(void)
{
	struct target_failure f;

	remote.worst = (struct client_failure){ .verdict = MAIL_OPEN };
	remote.loop = false;
	f = target_hosts(&remote.to, &remote.dns, remote.conf.hostname,
	    dns_deadline(), &remote.targets);
	if (f.verdict != MAIL_OPEN) {
		note_target(f);
		return false;
	}
	for (size_t i = 0; i < remote.targets.n; i++) {
		if (try_host(remote.targets.hosts[i].name))
			return true;
		/* At ourselves the list ends (RFC 5321 5.1). */
		if (remote.loop || clock_left(remote.client.deadline) == 0)
			break;
	}
	return false;
}

static void
decide_unreached(void)
{
	const struct client_failure *w = &remote.worst;

	if (w->verdict == MAIL_OPEN && remote.loop)
		mail_decide_all(&mail, MAIL_FAILED, "connect",
		    SPAN("554 "
			 "5.4.6 The mail exchanger is this host itself"));
	else if (w->verdict == MAIL_OPEN)
		mail_decide_all(&mail, MAIL_DEFERRED, "connect",
		    SPAN("451 4.4.1 No host could be tried in time"));
	else
		mail_decide_all(&mail, w->verdict, w->stage, w->text);
	memcpy(remote.client.host, remote.worst_host, CLIENT_HOST);
}

static void
deliver(void)
{
	struct client *c = &remote.client;

	if (mail.damaged) {
		mail_decide_all(&mail, MAIL_DEFERRED, "queue",
		    SPAN("451 4.3.0 The queue file is damaged"));
		return;
	}
	if (remote.plan.policy.trouble[0] != '\0') {
		mail_decide_all(&mail, MAIL_DEFERRED, "config",
		    SPAN("451 4.3.5 A file of settings is not in order here"));
		return;
	}
	c->deadline = clock_in(remote.conf.remote_timeout * 1000);
	c->id = mail.file.id;
	if (c->fd != -1 && client_transaction(c, &mail))
		return;
	c->tls[0] = '\0';
	remote.worst_host[0] = '\0';
	if (!connect_any())
		decide_unreached();
	else if (!client_transaction(c, &mail))
		mail_decide_all(&mail, MAIL_DEFERRED, "mail",
		    SPAN("451 4.4.2 The server closed the connection"));
}

static void
take_destination(void)
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
 * What the destination needs, while files can still be opened. Passwords are
 * read for a route alone: who talks to strangers has none.
 */
static void
make_plan(void)
{
	struct client_plan *p = &remote.plan;
	const struct conf *conf = &remote.conf;

	p->port = remote.to.port;
	p->guard = remote.to.mx && strcmp(conf->mx_loopback, "refuse") == 0;
	p->implicit = remote.to.tls;
	p->literal = remote.to.literal;
	p->authorities = -1;
	if (conf->tls_authorities[0] != '\0')
		p->authorities = open(conf->tls_authorities,
		    O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	policy_load(&p->policy, conf, remote.to.name, !remote.to.mx);
	if (p->policy.tls == POLICY_VERIFY && p->authorities == -1 &&
	    p->policy.trouble[0] == '\0')
		(void)snprintf(p->policy.trouble, sizeof(p->policy.trouble),
		    "%s: %s", conf->tls_authorities,
		    conf->tls_authorities[0] == '\0' ? "tls_authorities is "
						       "empty" :
						       strerror(errno));
	if (p->policy.trouble[0] != '\0')
		warn("%s", p->policy.trouble);
}

/* Sockets stay; files, programs and other processes go. */
static void
give_up_the_rest(void)
{
	/* None of UNIX: /run/smtpd/submit takes mail of everybody. */
	static const struct confine keep = {
		.calls = { SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_socket,
		    SYS_connect, SYS_bind, SYS_getsockname, SYS_getpeername,
		    SYS_getsockopt, SYS_setsockopt, SYS_time, SYS_gettimeofday,
		    SYS_getpid, SYS_getrandom, SYS_futex, SYS_gettid,
		    SYS_tgkill },
		.families = { AF_INET, AF_INET6 },
	};

	confine(&keep, &remote.conf);
}

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
	chan_init(&chan, 0, 1);
	client_init(&remote.client, &remote.conf);
	/* The scheduler's word; nothing that a stranger said. */
	take_destination();
	make_plan();
	give_up_the_rest();
	while ((r = mail_receive(&mail, &chan)) == IO_OK) {
		deliver();
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
