/* SPDX-License-Identifier: ISC */
/* One mail transaction: MAIL, RCPT, DATA, the text, and what came of it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client-parts.h"
#include "stuff.h"

#define CHUNK 32768

static struct span
reply(const struct client *c)
{
	return sbuf_span(&c->answer.text);
}

static enum mail_verdict
verdict_of(unsigned code)
{
	return code / 100 == 2 ? MAIL_DELIVERED :
	    code >= 500 ? MAIL_FAILED : MAIL_DEFERRED;
}

/* The connection is of no use any more: who is undecided waits. */
static void
lose(struct client *c, struct mail *m, const char *stage, enum io r)
{
	mail_decide_all(m, MAIL_DEFERRED, stage, client_lost(r));
	client_close(c);
}

static enum io
say_mail(struct client *c, const struct mail *m)
{
	char params[64] = "";
	int n = 0;
	struct sbuf b;
	enum io r;

	if (c->size)
		n = snprintf(params, sizeof(params), " SIZE=%llu",
		    (unsigned long long)mail_size(m));
	/* Without the extension it goes as it is: all servers take 8 bits. */
	if (c->eightbit && m->eightbit)
		(void)snprintf(params + n, sizeof(params) - (size_t)n,
		    " BODY=8BITMIME");
	sbuf_init(&b, 1024);
	sbuf_addspan(&b, m->sender);
	sbuf_adds(&b, params);
	r = client_say(c, "MAIL FROM:", sbuf_span(&b));
	sbuf_free(&b);
	return r;
}

static enum io
hear_mail(struct client *c, struct mail *m)
{
	enum io r = client_hear(c, WAIT_COMMAND);

	if (r == IO_OK && c->answer.code / 100 != 2)
		mail_decide_all(m, c->answer.code >= 500 ? MAIL_FAILED :
		    MAIL_DEFERRED, "mail", reply(c));
	return r;
}

static enum io
hear_rcpt(struct client *c, struct mail_rcpt *to)
{
	enum io r = client_hear(c, WAIT_COMMAND);

	if (r != IO_OK)
		return r;
	to->accepted = c->answer.code / 100 == 2;
	/*
	 * 552 for too many recipients is what RFC 821 said; RFC 5321
	 * 4.5.3.1.10 wants it taken as 452.
	 */
	if (!to->accepted)
		mail_decide(to, c->answer.code >= 500 &&
		    c->answer.code != 552 ? MAIL_FAILED : MAIL_DEFERRED,
		    "rcpt", reply(c));
	return r;
}

/* Envelope and DATA in one group (RFC 2920 3.1), replies in its order. */
static enum io
envelope_grouped(struct client *c, struct mail *m, const char **stage)
{
	enum io r = say_mail(c, m);

	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i++)
		r = client_say(c, "RCPT TO:", m->rcpts[i].path);
	if (r == IO_OK)
		r = client_say(c, "DATA", SPAN(""));
	*stage = "mail";
	if (r == IO_OK)
		r = hear_mail(c, m);
	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i++) {
		*stage = "rcpt";
		r = hear_rcpt(c, &m->rcpts[i]);
	}
	return r;
}

static enum io
envelope_stepwise(struct client *c, struct mail *m, const char **stage)
{
	enum io r = say_mail(c, m);

	*stage = "mail";
	if (r == IO_OK)
		r = hear_mail(c, m);
	if (r == IO_OK && c->answer.code / 100 != 2)
		return r;
	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i++) {
		*stage = "rcpt";
		r = client_say(c, "RCPT TO:", m->rcpts[i].path);
		if (r == IO_OK)
			r = hear_rcpt(c, &m->rcpts[i]);
	}
	if (r == IO_OK && mail_accepted(m))
		r = client_say(c, "DATA", SPAN(""));
	return r;
}

/* The fields on top: a later H frame stands above an earlier one. */
static enum io
send_top(struct client *c, struct stuff *s, const struct mail *m)
{
	size_t end = m->file.frames_len, pos, last;
	enum io r = IO_OK;

	for (; end > 0 && r == IO_OK; end = last) {
		struct frame f = { 0 };

		for (pos = last = 0; pos < end;) {
			last = pos;
			if (!queuefile_next(&m->file, &pos, &f))
				return IO_ERROR;
		}
		if (f.tag == 'H')
			r = stuff_add(s, &c->out, f.payload,
			    client_wait(c, WAIT_BLOCK));
	}
	return r;
}

/*
 * Streams the message. The sum over what was read is checked before the
 * final dot: of a damaged file the server gets no end, so no message.
 */
static enum io
send_text(struct client *c, const struct mail *m)
{
	static char chunk[CHUNK];
	struct stuff s = { 0 };
	uint64_t at = 0;
	uint32_t crc = 0;
	enum io r = send_top(c, &s, m);

	while (r == IO_OK && at < m->file.body_len) {
		uint64_t left = m->file.body_len - at;
		ssize_t n = pread(m->file.fd, chunk,
		    left < CHUNK ? (size_t)left : CHUNK, (off_t)at);

		if (n <= 0) {
			errno = EIO;
			return IO_ERROR;
		}
		crc = crc32c(crc, chunk, (size_t)n);
		at += (uint64_t)n;
		r = stuff_add(&s, &c->out, span_of(chunk, (size_t)n),
		    client_wait(c, WAIT_BLOCK));
	}
	if (r == IO_OK && crc != m->file.body_crc) {
		errno = EBADMSG;
		return IO_ERROR;
	}
	return r == IO_OK ?
	    stuff_end(&s, &c->out, client_wait(c, WAIT_BLOCK)) : r;
}

/* After 354. With nobody left to deliver to, the text is empty. */
static void
deliver_text(struct client *c, struct mail *m)
{
	bool wanted = mail_accepted(m);
	enum io r = wanted ? send_text(c, m) :
	    outbuf_add(&c->out, ".\r\n", 3, client_wait(c, WAIT_BLOCK));

	if (r == IO_ERROR && (errno == EIO || errno == EBADMSG)) {
		mail_decide_all(m, MAIL_DEFERRED, "queue",
		    SPAN("451 4.3.0 The queue file is damaged"));
		client_close(c);
		return;
	}
	if (r == IO_OK)
		r = client_hear(c, WAIT_DOT);
	if (r != IO_OK) {
		/* It may have arrived: twice at worst, never lost. */
		lose(c, m, "dot", r);
		return;
	}
	if (wanted)
		mail_decide_all(m, verdict_of(c->answer.code), "dot",
		    reply(c));
}

/* Back to the state after EHLO, or no connection at all. */
static void
reset(struct client *c)
{
	enum io r = client_say(c, "RSET", SPAN(""));

	if (r == IO_OK)
		r = client_hear(c, WAIT_COMMAND);
	if (r != IO_OK || c->answer.code / 100 != 2)
		client_close(c);
}

static bool
too_big(struct client *c, struct mail *m)
{
	char text[160];

	if (c->size_max == 0 || mail_size(m) <= c->size_max)
		return false;
	(void)snprintf(text, sizeof(text), "552 5.3.4 The message has %llu "
	    "octets, the server takes %llu",
	    (unsigned long long)mail_size(m),
	    (unsigned long long)c->size_max);
	mail_decide_all(m, MAIL_FAILED, "mail", span_str(text));
	return true;
}

bool
client_transaction(struct client *c, struct mail *m)
{
	bool reused = c->used;
	const char *stage = "mail";
	enum io r;

	if (too_big(c, m))
		return true;
	c->used = true;
	r = c->pipelining ? envelope_grouped(c, m, &stage) :
	    envelope_stepwise(c, m, &stage);
	if (r != IO_OK && reused && strcmp(stage, "mail") == 0) {
		client_close(c);
		return false;
	}
	/* 421 says that the server is about to hang up (RFC 5321 3.8). */
	if (r == IO_OK && (c->pipelining || mail_accepted(m))) {
		stage = "data";
		r = client_hear(c, WAIT_DATA);
		if (r == IO_OK && c->answer.code == 354) {
			deliver_text(c, m);
			return true;
		}
		if (r == IO_OK)
			mail_decide_all(m, c->answer.code >= 500 ?
			    MAIL_FAILED : MAIL_DEFERRED, stage, reply(c));
	}
	if (r != IO_OK)
		lose(c, m, stage, r);
	else if (c->answer.code == 421)
		client_close(c);
	else
		reset(c);
	return true;
}
