/* SPDX-License-Identifier: ISC */
/* A connection to another SMTP server, until a transaction may begin. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base64.h"
#include "chain.h"
#include "client.h"
#include "log.h"
#include "readfile.h"
#include "remote-answer.h"

#define SECRET_MAX 2048

void
client_init(struct client *c, const struct conf *conf)
{
	c->fd = -1;
	c->layer = NULL;
	c->tls[0] = '\0';
	c->id = NULL;
	c->conf = conf;
	c->deadline = NEVER;
	c->host[0] = '\0';
	answer_init(&c->answer);
}

instant
client_wait(const struct client *c, uint64_t ms)
{
	uint64_t own = c->conf->smtp_timeout * 1000;
	instant t = clock_in(own != 0 ? own : ms);

	return t < c->deadline ? t : c->deadline;
}

void
client_close(struct client *c)
{
	if (c->layer != NULL)
		tls_end(0);
	c->layer = NULL;
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
}

/* Waits until the connection is made; returns 0 or errno. */
static int
client_finish_connect(int fd, instant deadline)
{
	socklen_t len = sizeof(int);
	int err = 0;

	switch (io_wait_writable(fd, deadline)) {
	case IO_TIMEOUT:
		return ETIMEDOUT;
	case IO_OK:
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0)
			return err;
		break;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	return errno;
}

/* The descriptor, or -1 with errno. */
static int
client_dial(const struct client *c, const struct ip *ip, uint16_t port)
{
	instant deadline = clock_in(c->conf->connect_timeout * 1000);
	union endpoint to = endpoint_of(ip, port);
	int fd, err = 0, on = 1;

	if (deadline > c->deadline)
		deadline = c->deadline;
	fd = socket(to.any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &to.any, endpoint_len(&to)) != 0)
		err = errno == EINPROGRESS ?
		    client_finish_connect(fd, deadline) :
		    errno;
	if (err == 0)
		return fd;
	(void)close(fd);
	errno = err;
	return -1;
}

/* IO_OK: something has come. IO_TIMEOUT: nothing. */
static enum io
client_look(const struct client *c)
{
	char octet;
	ssize_t n;

	if (c->layer != NULL)
		return tls_pending();
	n = recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? IO_TIMEOUT :
							   IO_ERROR;
	return n == 0 ? IO_EOF : IO_OK;
}

enum io
client_turn(struct client *c)
{
	enum io r = inbuf_view(&c->in).n > 0 ? IO_OK : client_look(c);

	if (r == IO_TIMEOUT)
		return IO_OK;
	if (r != IO_OK)
		return r;
	errno = EALREADY;
	return IO_ERROR;
}

enum io
client_say(struct client *c, const char *verb, struct span argument)
{
	instant deadline = client_wait(c, WAIT_COMMAND);
	enum io r = c->owed == 0 ? client_turn(c) : IO_OK;

	c->owed++;
	if (r == IO_OK)
		r = outbuf_add(&c->out, verb, strlen(verb), deadline);
	if (r == IO_OK)
		r = outbuf_add(&c->out, argument.p, argument.n, deadline);
	return r == IO_OK ? outbuf_add(&c->out, "\r\n", 2, deadline) : r;
}

enum io
client_hear(struct client *c, uint64_t ms)
{
	instant deadline = client_wait(c, ms);
	enum io r = outbuf_flush(&c->out, deadline);

	answer_reset(&c->answer);
	while (r == IO_OK) {
		struct span in = inbuf_view(&c->in);
		size_t used = 0;
		enum answer_event e = answer_push(&c->answer, in, &used);

		inbuf_take(&c->in, used);
		if (e == ANSWER_WHOLE) {
			c->owed--;
			return IO_OK;
		}
		if (e == ANSWER_BAD) {
			errno = EPROTO;
			return IO_ERROR;
		}
		r = inbuf_fill(&c->in, deadline);
	}
	return r;
}

enum io
client_ask(struct client *c, const char *verb, struct span argument)
{
	enum io r = client_say(c, verb, argument);

	return r == IO_OK ? client_hear(c, WAIT_COMMAND) : r;
}

struct span
client_lost(enum io r)
{
	switch (r) {
	case IO_TIMEOUT:
		return SPAN("451 4.4.2 The server does not answer in time");
	case IO_ERROR:
		if (errno == EPROTO)
			return SPAN("451 4.5.0 The server does not speak SMTP");
		if (errno == EALREADY)
			return SPAN("451 4.5.0 The server speaks out of turn");
		break;
	case IO_OK:
	case IO_EOF:
		break;
	}
	return SPAN("451 4.4.2 The server closed the connection");
}

/*
 * RFC 821 used 552 for too many recipients; RFC 5321 4.5.3.1.10 says to treat
 * it as 452.
 */
struct client_failure
client_refusal(const struct client *c, const char *stage)
{
	static char text[MAIL_TEXT];
	struct client_failure f = { .stage = stage };
	unsigned code = c->answer.code;

	f.text = sbuf_span(&c->answer.text);
	f.verdict = code < 500 || (code == 552 && strcmp(stage, "rcpt") == 0) ?
	    MAIL_DEFERRED :
	    MAIL_FAILED;
	if (code >= 400 && (f.verdict == MAIL_FAILED) == (code >= 500))
		return f;
	(void)snprintf(text, sizeof(text), "451 4.5.0 Unexpected reply: %s",
	    c->answer.text.s);
	f.text = span_str(text);
	return f;
}

/* *why for a stage that ended in r, or in an unwanted reply; false. */
static bool
client_failed(const struct client *c, const char *stage, enum io r,
    struct client_failure *why)
{
	if (r == IO_OK)
		*why = client_refusal(c, stage);
	else
		*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
			.stage = stage,
			.text = client_lost(r) };
	return false;
}

/* A deferral with a text of our own: "451 4.7.4 ..."; false. */
static bool __attribute__((format(printf, 3, 4)))
client_defer(struct client_failure *why, const char *stage, const char *fmt,
    ...)
{
	static char text[MAIL_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*why = (struct client_failure){
		.verdict = MAIL_DEFERRED, .stage = stage, .text = span_str(text)
	};
	return false;
}

/* --- EHLO ---------------------------------------------------------------- */

static void
client_note_auth(struct client *c, struct span mechanisms)
{
	struct span word;

	while ((word = span_word(&mechanisms)).n > 0) {
		if (span_ieq(word, SPAN("PLAIN")))
			c->auth_plain = true;
		else if (span_ieq(word, SPAN("LOGIN")))
			c->auth_login = true;
	}
}

static void
client_note_keyword(struct client *c, struct span line)
{
	struct span word = span_word(&line);

	if (span_ieq(word, SPAN("PIPELINING")))
		c->pipelining = true;
	else if (span_ieq(word, SPAN("8BITMIME")))
		c->eightbit = true;
	else if (span_ieq(word, SPAN("STARTTLS")))
		c->starttls = true;
	else if (span_ieq(word, SPAN("AUTH")))
		client_note_auth(c, line);
	else if (span_ieq(word, SPAN("SIZE"))) {
		c->size = true;
		if (!span_u64(span_word(&line), UINT64_MAX, &c->size_max))
			c->size_max = 0;
	}
}

/* What the server offered before TLS no longer counts (RFC 3207 4.2). */
static void
client_forget_extensions(struct client *c)
{
	c->esmtp = c->pipelining = c->eightbit = c->size = false;
	c->starttls = c->auth_plain = c->auth_login = false;
	c->size_max = 0;
}

static void
client_note_extensions(struct client *c)
{
	struct span rest = sbuf_span(&c->answer.text);

	(void)answer_line(&rest);
	while (rest.n > 0)
		client_note_keyword(c, answer_line(&rest));
}

static bool
client_greet(struct client *c, const char *verb, enum io *r)
{
	*r = client_ask(c, verb, span_str(c->conf->hostname));
	return *r == IO_OK && c->answer.code / 100 == 2;
}

/* EHLO, then HELO if the server rejects EHLO; notes the extensions. */
static bool
client_hello(struct client *c, struct client_failure *why)
{
	enum io r;

	client_forget_extensions(c);
	if (client_greet(c, "EHLO ", &r)) {
		c->esmtp = true;
		client_note_extensions(c);
		return true;
	}
	if (r == IO_OK && c->answer.code >= 500 && client_greet(c, "HELO ", &r))
		return true;
	return client_failed(c, "ehlo", r, why);
}

static bool
client_hear_greeting(struct client *c, struct client_failure *why)
{
	enum io r = client_hear(c, WAIT_GREETING);

	return (r == IO_OK && c->answer.code / 100 == 2) ||
	    client_failed(c, "greeting", r, why);
}

/* --- TLS, by STARTTLS (RFC 3207) or from the first octet ----------------- */

/* The whole file; empty if it cannot be read. */
static struct span
client_read_authorities(int fd, struct sbuf *text)
{
	sbuf_init(text, ANCHORS_FILE_MAX);
	return fd != -1 && readfile_all(fd, text) ? sbuf_span(text) :
						    span_of(NULL, 0);
}

static void
client_log_tls(const struct client *c, const char *event, const char *name,
    const char *value)
{
	struct logline l;

	log_begin(&l, c->id, event);
	log_str(&l, "host", c->host);
	log_str(&l, name, value);
	log_end(&l);
}

static bool
client_tls_failed(struct client *c, const char *reason,
    struct client_failure *why)
{
	(void)snprintf(c->tls, sizeof(c->tls), "failed: %s", reason);
	client_log_tls(c, "tls-failed", "reason", reason);
	(void)client_defer(why, "tls",
	    "451 4.7.5 TLS with the server failed (%s)", reason);
	why->tls = true;
	return false;
}

static bool
client_handshake(struct client *c, const char *name,
    const struct client_plan *plan, struct client_failure *why)
{
	const struct tls_policy *p = &plan->policy;
	struct sbuf text;
	struct tls_demand demand = { .verified = p->tls == TLS_POLICY_VERIFY,
		.names = p->names.n > 0 ? p->names : span_str(name),
		.bundle = client_read_authorities(plan->authorities, &text) };
	struct tls_facts facts;
	const char *reason = "";
	bool ok = tls_start(c->fd, plan->literal ? NULL : name, &demand,
	    client_wait(c, c->conf->tls_timeout * 1000), &c->layer, &facts,
	    &reason);

	sbuf_free(&text);
	if (!ok)
		return client_tls_failed(c, reason, why);
	c->in.layer = c->out.layer = c->layer;
	(void)snprintf(c->tls, sizeof(c->tls), "%s %s %s", facts.protocol,
	    facts.cipher, facts.verified ? "verified" : "unverified");
	client_log_tls(c, "tls", "tls", c->tls);
	return true;
}

/*
 * STARTTLS, the handshake, EHLO again. Octets after the 220 were sent before
 * the handshake, but would be taken for an answer under TLS: then the
 * connection is not trusted.
 */
static bool
client_starttls(struct client *c, const char *name,
    const struct client_plan *plan, struct client_failure *why)
{
	enum io r = client_ask(c, "STARTTLS", SPAN(""));

	if (r != IO_OK)
		return client_tls_failed(c,
		    r == IO_TIMEOUT ? "timeout" : "closed", why);
	if (c->answer.code != 220) {
		if (plan->policy.tls <= TLS_POLICY_MAY)
			return true; /* no octet of TLS was sent */
		return client_defer(why, "tls",
		    "451 4.7.4 TLS is required, but the server refuses it: %s",
		    c->answer.text.s);
	}
	if (inbuf_view(&c->in).n > 0)
		return client_tls_failed(c, "injection", why);
	return client_handshake(c, name, plan, why) && client_hello(c, why);
}

/* --- AUTH (RFC 4954), PLAIN or LOGIN, at a host that mail is routed to --- */

/* Sends one line, hears the reply, and wipes the line from memory. */
static enum io
client_say_secret(struct client *c, const char *verb, struct span secret)
{
	struct sbuf b;
	enum io r;

	sbuf_init(&b, SECRET_MAX * 2);
	base64_encode(&b, secret);
	r = client_ask(c, verb, sbuf_span(&b));
	explicit_bzero(b.s, b.len);
	explicit_bzero(c->outmem, sizeof(c->outmem));
	sbuf_free(&b);
	return r;
}

static enum io
client_auth_plain(struct client *c, const struct tls_policy *p)
{
	struct sbuf b;
	enum io r;

	sbuf_init(&b, SECRET_MAX);
	sbuf_putc(&b, '\0');
	sbuf_addspan(&b, p->user);
	sbuf_putc(&b, '\0');
	sbuf_addspan(&b, p->password);
	r = client_say_secret(c, "AUTH PLAIN ", sbuf_span(&b));
	explicit_bzero(b.s, b.len);
	sbuf_free(&b);
	return r;
}

static enum io
client_auth_login(struct client *c, const struct tls_policy *p)
{
	enum io r = client_ask(c, "AUTH LOGIN", SPAN(""));

	if (r == IO_OK && c->answer.code == 334)
		r = client_say_secret(c, "", p->user);
	if (r == IO_OK && c->answer.code == 334)
		r = client_say_secret(c, "", p->password);
	return r;
}

/* Logs in with the user and password of the plan. A failure is a deferral. */
static bool
client_login(struct client *c, const struct client_plan *plan,
    struct client_failure *why)
{
	const struct tls_policy *p = &plan->policy;
	enum io r;

	if (c->layer == NULL || (!c->auth_plain && !c->auth_login))
		return client_defer(why, "auth",
		    "451 4.7.0 The server offers no known AUTH mechanism");
	r = c->auth_plain ? client_auth_plain(c, p) : client_auth_login(c, p);
	if (r == IO_OK && c->answer.code == 235)
		return true;
	/* We have to correct the password; until then the mail waits. */
	return r != IO_OK ? client_failed(c, "auth", r, why) :
			    client_defer(why, "auth",
				"451 4.7.8 The server rejects our password: %s",
				c->answer.text.s);
}

/* --- from the connection to the first transaction, and QUIT -------------- */

/*
 * The peer has our own address: we talk to ourselves, whatever name and
 * interface we came by.
 */
static bool
client_is_ourselves(int fd, const struct ip *peer)
{
	union endpoint own = { .storage = { 0 } };
	socklen_t len = sizeof(own);
	struct ip ip;

	if (getsockname(fd, &own.any, &len) != 0)
		return false;
	ip = endpoint_ip(&own);
	return ip.size == peer->size &&
	    memcmp(ip.octets, peer->octets, ip.size) == 0;
}

static void
client_name_host(struct client *c, const char *name, const struct ip *ip,
    uint16_t port)
{
	char text[IP_TEXT];

	ip_text(ip, text);
	(void)snprintf(c->host, sizeof(c->host), "%s[%s]:%u", name, text, port);
}

static void
client_start(struct client *c)
{
	c->used = false;
	c->tls[0] = '\0';
	c->owed = 1; /* the greeting */
	inbuf_init(&c->in, c->fd, c->inmem, sizeof(c->inmem));
	outbuf_init(&c->out, c->fd, c->outmem, sizeof(c->outmem));
}

/* After EHLO: secures the connection as the plan demands, or if it can. */
static bool
client_secure(struct client *c, const char *name,
    const struct client_plan *plan, struct client_failure *why)
{
	if (c->layer != NULL)
		return true;
	if (c->starttls)
		return client_starttls(c, name, plan, why);
	if (plan->policy.tls <= TLS_POLICY_MAY)
		return true;
	return client_defer(why, "tls",
	    "451 4.7.4 TLS is required, but the server does not offer it");
}

static bool
client_converse(struct client *c, const char *name,
    const struct client_plan *plan, bool clear, struct client_failure *why)
{
	client_start(c);
	if (plan->implicit && !client_handshake(c, name, plan, why))
		return false;
	if (!client_hear_greeting(c, why) || !client_hello(c, why))
		return false;
	if (!clear && !client_secure(c, name, plan, why))
		return false;
	return plan->policy.user.p == NULL || client_login(c, plan, why);
}

static bool
client_attempt(struct client *c, const char *name, const struct ip *ip,
    const struct client_plan *plan, bool clear, struct client_failure *why)
{
	*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
		.stage = "connect" };
	c->fd = client_dial(c, ip, plan->port);
	if (c->fd == -1)
		return client_defer(why, "connect",
		    "451 4.4.1 Cannot connect: %s", strerror(errno));
	why->ourselves = plan->guard && client_is_ourselves(c->fd, ip);
	if (!why->ourselves && client_converse(c, name, plan, clear, why))
		return true;
	client_close(c);
	return false;
}

bool
client_open(struct client *c, const char *name, const struct ip *ip,
    const struct client_plan *plan, struct client_failure *why)
{
	char note[sizeof(c->tls)];

	client_name_host(c, name, ip, plan->port);
	if (plan->guard && ip_is_loopback(ip)) {
		*why = (struct client_failure){ .ourselves = true };
		return false;
	}
	if (client_attempt(c, name, ip, plan,
		plan->policy.tls == TLS_POLICY_NONE, why))
		return true;
	if (!why->tls || plan->policy.tls != TLS_POLICY_MAY || plan->implicit)
		return false;
	/* In clear on a new socket, never on the dead one. */
	memcpy(note, c->tls, sizeof(note));
	if (!client_attempt(c, name, ip, plan, true, why))
		return false;
	memcpy(c->tls, note, sizeof(note));
	return true;
}

/*
 * Some servers wait for the end of our side, not only for QUIT. We wait for the
 * end of theirs, but not long.
 */
void
client_quit(struct client *c)
{
	enum io r;

	if (c->fd == -1)
		return;
	c->deadline = clock_in(WAIT_QUIT);
	r = client_say(c, "QUIT", SPAN(""));
	if (r == IO_OK)
		r = outbuf_flush(&c->out, c->deadline);
	if (r == IO_OK && c->layer != NULL)
		tls_end(c->deadline);
	if (r == IO_OK && shutdown(c->fd, SHUT_WR) == 0)
		while (client_hear(c, WAIT_QUIT) == IO_OK)
			continue;
	client_close(c);
}
