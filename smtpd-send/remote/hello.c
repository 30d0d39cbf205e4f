/* SPDX-License-Identifier: ISC */
/* How a connection to another SMTP server begins: who he is, what he can. */
#include <errno.h>
#include <stdio.h>

#include "client-parts.h"

/*
 * The other end has our own address: we talk to ourselves, whatever name and
 * whichever interface led here.
 */
static bool
is_ourselves(int fd, const struct ip *peer)
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
note_auth(struct client *c, struct span mechanisms)
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
note_keyword(struct client *c, struct span line)
{
	struct span word = span_word(&line);

	if (span_ieq(word, SPAN("PIPELINING")))
		c->pipelining = true;
	else if (span_ieq(word, SPAN("8BITMIME")))
		c->eightbit = true;
	else if (span_ieq(word, SPAN("STARTTLS")))
		c->starttls = true;
	else if (span_ieq(word, SPAN("AUTH")))
		note_auth(c, line);
	else if (span_ieq(word, SPAN("SIZE"))) {
		c->size = true;
		if (!span_u64(span_word(&line), UINT64_MAX, &c->size_max))
			c->size_max = 0;
	}
}

/* What was said before TLS counts no more after it (RFC 3207 4.2). */
static void
forget_extensions(struct client *c)
{
	c->esmtp = c->pipelining = c->eightbit = c->size = false;
	c->starttls = c->auth_plain = c->auth_login = false;
	c->size_max = 0;
}

static void
note_extensions(struct client *c)
{
	struct span rest = sbuf_span(&c->answer.text);

	(void)answer_line(&rest);
	while (rest.n > 0)
		note_keyword(c, answer_line(&rest));
}

static bool
greet(struct client *c, const char *verb, enum io *r)
{
	*r = client_say(c, verb, span_str(c->conf->hostname));
	if (*r == IO_OK)
		*r = client_hear(c, WAIT_COMMAND);
	return *r == IO_OK && c->answer.code / 100 == 2;
}

bool
client_hello(struct client *c, struct client_failure *why)
{
	enum io r;

	forget_extensions(c);
	if (greet(c, "EHLO ", &r)) {
		c->esmtp = true;
		note_extensions(c);
		return true;
	}
	if (r == IO_OK && c->answer.code >= 500 && greet(c, "HELO ", &r))
		return true;
	*why = r == IO_OK ? client_refusal(c, "ehlo") :
			    client_broken("ehlo", r);
	return false;
}

static bool
be_greeted(struct client *c, struct client_failure *why)
{
	enum io r = client_hear(c, WAIT_GREETING);

	if (r == IO_OK && c->answer.code / 100 == 2)
		return true;
	*why = r == IO_OK ? client_refusal(c, "greeting") :
			    client_broken("greeting", r);
	return false;
}

static void
name_host(struct client *c, const char *name, const struct ip *ip,
    uint16_t port)
{
	char text[IP_TEXT];

	ip_text(ip, text);
	(void)snprintf(c->host, sizeof(c->host), "%s[%s]:%u", name, text, port);
}

static void
start(struct client *c)
{
	c->used = false;
	c->tls[0] = '\0';
	c->owed = 1; /* the greeting */
	inbuf_init(&c->in, c->fd, c->inmem, sizeof(c->inmem));
	outbuf_init(&c->out, c->fd, c->outmem, sizeof(c->outmem));
}

/* After EHLO: as secure as it must be, or as it can be. */
static bool
secure(struct client *c, const char *name, const struct client_plan *plan,
    struct client_failure *why)
{
	if (c->layer != NULL)
		return true;
	if (c->starttls)
		return client_starttls(c, name, plan, why);
	if (plan->policy.tls <= POLICY_MAY)
		return true;
	*why = client_deferral("tls",
	    "451 4.7.4 TLS is required, and the server does not offer it");
	return false;
}

static bool
converse(struct client *c, const char *name, const struct client_plan *plan,
    bool clear, struct client_failure *why)
{
	start(c);
	if (plan->implicit && !client_handshake(c, name, plan, why))
		return false;
	if (!be_greeted(c, why) || !client_hello(c, why))
		return false;
	if (!clear && !secure(c, name, plan, why))
		return false;
	return plan->policy.user.p == NULL || client_login(c, plan, why);
}

static bool
attempt(struct client *c, const char *name, const struct ip *ip,
    const struct client_plan *plan, bool clear, struct client_failure *why)
{
	*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
		.stage = "connect" };
	c->fd = client_dial(c, ip, plan->port);
	if (c->fd == -1) {
		*why = client_deferral("connect",
		    "451 4.4.1 Cannot connect: %s", strerror(errno));
		return false;
	}
	why->ourselves = plan->guard && is_ourselves(c->fd, ip);
	if (!why->ourselves && converse(c, name, plan, clear, why))
		return true;
	client_close(c);
	return false;
}

bool
client_open(struct client *c, const char *name, const struct ip *ip,
    const struct client_plan *plan, struct client_failure *why)
{
	char note[sizeof(c->tls)];

	name_host(c, name, ip, plan->port);
	if (plan->guard && ip_is_loopback(ip)) {
		*why = (struct client_failure){ .ourselves = true };
		return false;
	}
	if (attempt(c, name, ip, plan, plan->policy.tls == POLICY_NONE, why))
		return true;
	if (!why->tls || plan->policy.tls != POLICY_MAY || plan->implicit)
		return false;
	/* Never on the dead socket: a new one, in clear. */
	memcpy(note, c->tls, sizeof(note));
	if (!attempt(c, name, ip, plan, true, why))
		return false;
	memcpy(c->tls, note, sizeof(note));
	return true;
}
