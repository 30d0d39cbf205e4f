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
note_keyword(struct client *c, struct span line)
{
	struct span word = span_word(&line);

	if (span_ieq(word, SPAN("PIPELINING")))
		c->pipelining = true;
	else if (span_ieq(word, SPAN("8BITMIME")))
		c->eightbit = true;
	else if (span_ieq(word, SPAN("SIZE"))) {
		c->size = true;
		if (!span_u64(span_word(&line), UINT64_MAX, &c->size_max))
			c->size_max = 0;
	}
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

/* EHLO, then HELO for who does not know EHLO. */
static bool
say_hello(struct client *c, enum io *r)
{
	if (greet(c, "EHLO ", r)) {
		c->esmtp = true;
		note_extensions(c);
		return true;
	}
	return *r == IO_OK && c->answer.code >= 500 && greet(c, "HELO ", r);
}

static bool
introduce(struct client *c, struct client_failure *why)
{
	const char *stage = "greeting";
	enum io r = client_hear(c, WAIT_GREETING);

	if (r == IO_OK && c->answer.code / 100 == 2) {
		stage = "ehlo";
		if (say_hello(c, &r))
			return true;
	}
	if (r == IO_OK)
		*why = client_refusal(c, stage);
	else
		*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
			.stage = stage,
			.text = client_lost(r) };
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
forget(struct client *c)
{
	c->used = c->esmtp = c->pipelining = c->eightbit = c->size = false;
	c->size_max = 0;
	c->owed = 1; /* the greeting */
	inbuf_init(&c->in, c->fd, c->inmem, sizeof(c->inmem));
	outbuf_init(&c->out, c->fd, c->outmem, sizeof(c->outmem));
}

bool
client_open(struct client *c, const char *name, const struct ip *ip,
    uint16_t port, bool guard, struct client_failure *why)
{
	static char text[160];

	name_host(c, name, ip, port);
	*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
		.stage = "connect" };
	if (guard && ip_is_loopback(ip)) {
		why->ourselves = true;
		return false;
	}
	c->fd = client_dial(c, ip, port);
	if (c->fd == -1) {
		(void)snprintf(text, sizeof(text),
		    "451 4.4.1 Cannot connect: %s", strerror(errno));
		why->text = span_str(text);
		return false;
	}
	forget(c);
	why->ourselves = guard && is_ourselves(c->fd, ip);
	if (!why->ourselves && introduce(c, why))
		return true;
	client_close(c);
	return false;
}
