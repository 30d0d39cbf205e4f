/* SPDX-License-Identifier: ISC */
/* A conversation with another SMTP server: commands out, replies in. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "client-parts.h"

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

/* Waits for a connection that is being made; 0 or what went wrong. */
static int
finish_connect(int fd, instant deadline)
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

int
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
		err = errno == EINPROGRESS ? finish_connect(fd, deadline) :
					     errno;
	if (err == 0)
		return fd;
	(void)close(fd);
	errno = err;
	return -1;
}

/* IO_OK: something has come. IO_TIMEOUT: nothing. */
static enum io
look(const struct client *c)
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
	enum io r = inbuf_view(&c->in).n > 0 ? IO_OK : look(c);

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
			return SPAN("451 4.5.0 The server answers before it "
				    "is asked");
		break;
	case IO_OK:
	case IO_EOF:
		break;
	}
	return SPAN("451 4.4.2 The server closed the connection");
}

/*
 * 552 for too many recipients is what RFC 821 said; RFC 5321 4.5.3.1.10 wants
 * it taken as 452.
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
	(void)snprintf(text, sizeof(text),
	    "451 4.5.0 Not now, by the reply: %s", c->answer.text.s);
	f.text = span_str(text);
	return f;
}

struct client_failure
client_broken(const char *stage, enum io r)
{
	return (struct client_failure){
		.verdict = MAIL_DEFERRED, .stage = stage, .text = client_lost(r)
	};
}

struct client_failure
client_deferral(const char *stage, const char *fmt, ...)
{
	static char text[MAIL_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return (struct client_failure){
		.verdict = MAIL_DEFERRED, .stage = stage, .text = span_str(text)
	};
}

/*
 * The end of our side says more than QUIT: some servers wait for it. Theirs is
 * waited for, but not long.
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
