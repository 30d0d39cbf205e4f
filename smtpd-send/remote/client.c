/* SPDX-License-Identifier: ISC */
/* One connection to another SMTP server: how it begins and how it ends. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client-parts.h"

#define WAIT_QUIT 2000		/* politeness has an end */

void
client_init(struct client *c, const struct conf *conf)
{
	c->fd = -1;
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
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
}

enum io
client_say(struct client *c, const char *verb, struct span argument)
{
	instant deadline = client_wait(c, WAIT_COMMAND);
	enum io r = outbuf_add(&c->out, verb, strlen(verb), deadline);

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
		if (e == ANSWER_WHOLE)
			return IO_OK;
		if (e == ANSWER_BAD) {
			errno = EPROTO;
			return IO_ERROR;
		}
		r = inbuf_fill(&c->in, deadline);
	}
	return r;
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
		break;
	case IO_OK:
	case IO_EOF:
		break;
	}
	return SPAN("451 4.4.2 The server closed the connection");
}

/* Connects within connect_timeout; -1 with errno. */
static int
dial(const struct client *c, const union endpoint *to)
{
	instant deadline = clock_in(c->conf->connect_timeout * 1000);
	socklen_t len = sizeof(int);
	int fd, err = 0, on = 1;

	if (deadline > c->deadline)
		deadline = c->deadline;
	fd = socket(to->any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &to->any, endpoint_len(to)) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		enum io r = io_wait_writable(fd, deadline);

		if (r == IO_TIMEOUT)
			err = ETIMEDOUT;
		else if (r != IO_OK || getsockopt(fd, SOL_SOCKET, SO_ERROR,
		    &err, &len) != 0)
			err = errno;
		if (err == 0)
			return fd;
		errno = err;
	}
	err = errno;
	(void)close(fd);
	errno = err;
	return -1;
}

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

	if (ip_is_loopback(peer))
		return true;
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

/* The verdict that a reply code means where we wanted 2xx. */
static enum mail_verdict
refusal(const struct client *c)
{
	return c->answer.code >= 500 ? MAIL_FAILED : MAIL_DEFERRED;
}

/* Greeting, then EHLO, then HELO for who does not know EHLO. */
static bool
introduce(struct client *c, struct client_failure *why)
{
	struct span name = span_str(c->conf->hostname);
	enum io r = client_hear(c, WAIT_GREETING);

	why->stage = "greeting";
	if (r == IO_OK && c->answer.code / 100 == 2) {
		why->stage = "ehlo";
		r = client_say(c, "EHLO ", name);
		if (r == IO_OK)
			r = client_hear(c, WAIT_COMMAND);
		if (r == IO_OK && c->answer.code / 100 == 2) {
			c->esmtp = true;
			note_extensions(c);
			return true;
		}
		if (r == IO_OK && c->answer.code >= 500) {
			r = client_say(c, "HELO ", name);
			if (r == IO_OK)
				r = client_hear(c, WAIT_COMMAND);
			if (r == IO_OK && c->answer.code / 100 == 2)
				return true;
		}
	}
	why->verdict = r == IO_OK ? refusal(c) : MAIL_DEFERRED;
	why->text = r == IO_OK ? sbuf_span(&c->answer.text) : client_lost(r);
	return false;
}

static void
name_host(struct client *c, const char *name, const struct ip *ip,
	uint16_t port)
{
	char text[IP_TEXT];

	ip_text(ip, text);
	(void)snprintf(c->host, sizeof(c->host), "%s[%s]:%u", name, text,
	    port);
}

bool
client_open(struct client *c, const char *name, const struct ip *ip,
	uint16_t port, bool guard, struct client_failure *why)
{
	union endpoint to = endpoint_of(ip, port);
	static char text[160];

	name_host(c, name, ip, port);
	*why = (struct client_failure){ .verdict = MAIL_DEFERRED,
		.stage = "connect" };
	c->used = c->esmtp = c->pipelining = c->eightbit = c->size = false;
	c->size_max = 0;
	if (guard && ip_is_loopback(ip)) {
		why->ourselves = true;
		return false;
	}
	c->fd = dial(c, &to);
	if (c->fd == -1) {
		(void)snprintf(text, sizeof(text),
		    "451 4.4.1 Cannot connect: %s", strerror(errno));
		why->text = span_str(text);
		return false;
	}
	if (guard && is_ourselves(c->fd, ip)) {
		why->ourselves = true;
		client_close(c);
		return false;
	}
	inbuf_init(&c->in, c->fd, c->inmem, sizeof(c->inmem));
	outbuf_init(&c->out, c->fd, c->outmem, sizeof(c->outmem));
	if (introduce(c, why))
		return true;
	client_close(c);
	return false;
}

void
client_quit(struct client *c)
{
	if (c->fd == -1)
		return;
	c->deadline = clock_in(WAIT_QUIT);
	if (client_say(c, "QUIT", SPAN("")) == IO_OK &&
	    client_hear(c, WAIT_QUIT) == IO_OK)
		(void)shutdown(c->fd, SHUT_RDWR);
	client_close(c);
}
