/* SPDX-License-Identifier: ISC */
/* One mail transaction: MAIL, RCPT, DATA, the text, and the verdicts. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client.h"
#include "log.h"

#define CHUNK 32768
/*
 * Commands in one group. Their replies must fit into the sockets' buffers,
 * since we read none before the whole group is written.
 */
#define GROUP 50

/* The connection is lost: recipients without a verdict are deferred. */
static void
transaction_lose(struct client *c, struct mail *m, const char *stage, enum io r)
{
	mail_decide_all(m, MAIL_DEFERRED, stage, client_lost(r));
	client_close(c);
}

static void
transaction_refused(struct client *c, struct mail *m, const char *stage)
{
	struct client_failure f = client_refusal(c, stage);

	mail_decide_all(m, f.verdict, stage, f.text);
}

static enum io
transaction_say_mail(struct client *c, const struct mail *m)
{
	char params[64] = "";
	int n = 0;
	struct sbuf b;
	enum io r;

	if (c->size)
		n = snprintf(params, sizeof(params), " SIZE=%llu",
		    (unsigned long long)mail_size(m));
	/* Without the extension it is sent as is: all servers accept 8 bits. */
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

/*
 * 421 means that the server is about to close the connection (RFC 5321 3.8). On
 * a connection that has waited the reason is the wait, not this message.
 */
static enum io
transaction_hear_mail(struct client *c, struct mail *m, bool reused)
{
	enum io r = client_hear(c, WAIT_COMMAND);

	if (r == IO_OK && reused && c->answer.code == 421)
		return IO_EOF;
	if (r == IO_OK && c->answer.code / 100 != 2)
		transaction_refused(c, m, "mail");
	return r;
}

static enum io
transaction_hear_rcpt(struct client *c, struct mail_rcpt *to)
{
	enum io r = client_hear(c, WAIT_COMMAND);
	struct client_failure f;

	if (r != IO_OK)
		return r;
	to->accepted = c->answer.code / 100 == 2;
	if (!to->accepted) {
		f = client_refusal(c, "rcpt");
		mail_decide(to, f.verdict, f.stage, f.text);
	}
	return r;
}

struct offer {
	const char *stage;
	bool reused; /* the connection has had a transaction before */
	bool data;   /* DATA was sent */
};

/*
 * Some recipients and, with PIPELINING (RFC 2920 3.1), DATA after the last one;
 * then the replies in that order. mail: the reply to MAIL is the first of them.
 */
static enum io
transaction_offer_group(struct client *c, struct mail *m, size_t from,
    size_t to, bool mail, struct offer *o)
{
	enum io r = IO_OK;

	for (size_t i = from; i < to && r == IO_OK; i++)
		r = client_say(c, "RCPT TO:", m->rcpts[i].path);
	if (r == IO_OK && c->pipelining && to == m->nrcpts) {
		o->data = true;
		r = client_say(c, "DATA", SPAN(""));
	}
	if (r == IO_OK && mail)
		r = transaction_hear_mail(c, m, o->reused);
	for (size_t i = from; i < to && r == IO_OK; i++) {
		o->stage = "rcpt";
		r = transaction_hear_rcpt(c, &m->rcpts[i]);
	}
	return r;
}

static enum io
transaction_offer(struct client *c, struct mail *m, struct offer *o)
{
	size_t group = c->pipelining ? GROUP : 1, to;
	enum io r = transaction_say_mail(c, m);

	if (r == IO_OK && !c->pipelining)
		r = transaction_hear_mail(c, m, o->reused);
	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i = to) {
		if (m->rcpts[i].verdict != MAIL_OPEN)
			return IO_OK; /* MAIL was refused */
		to = m->nrcpts - i > group ? i + group : m->nrcpts;
		r = transaction_offer_group(c, m, i, to,
		    c->pipelining && i == 0, o);
	}
	if (r == IO_OK && !o->data && mail_accepted(m)) {
		o->data = true;
		o->stage = "data";
		r = client_say(c, "DATA", SPAN(""));
	}
	return r;
}

static enum io
transaction_send_top(struct client *c, struct stuff *s, const struct mail *m)
{
	size_t pos = SIZE_MAX;
	struct frame f;
	enum io r = IO_OK;

	while (r == IO_OK && queuefile_previous(&m->file, 'H', &pos, &f))
		r = stuff_add(s, &c->out, f.payload,
		    client_wait(c, WAIT_BLOCK));
	return r;
}

/*
 * Streams the message. The checksum is verified before the final dot: the
 * server gets no end of a damaged file, and so no message.
 */
static enum io
transaction_send_text(struct client *c, const struct mail *m)
{
	static char chunk[CHUNK];
	struct stuff s = { 0 };
	uint64_t at = 0;
	uint32_t crc = 0;
	enum io r = transaction_send_top(c, &s, m);

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
	    stuff_finish(&s, &c->out, client_wait(c, WAIT_BLOCK)) :
	    r;
}

/*
 * The server replied or closed the connection before the end of the text, so it
 * has no message. A negative reply counts, a positive one does not.
 */
static void
transaction_cut_short(struct client *c, struct mail *m)
{
	enum io r;

	c->out.len = 0;
	c->owed = 1;
	r = client_hear(c, WAIT_QUIT);
	if (r == IO_OK && c->answer.code >= 400)
		transaction_refused(c, m, "text");
	if (r == IO_OK) {
		r = IO_ERROR;
		errno = EALREADY;
	}
	transaction_lose(c, m, "text", r);
}

/* The message may have arrived; a second copy is better than none. */
static void
transaction_doubt(struct client *c, struct mail *m, enum io r)
{
	struct span why = client_lost(r);
	struct logline l;

	log_begin(&l, m->file.id, "uncertain");
	log_str(&l, "host", c->host);
	log_span(&l, "reason", why);
	log_end(&l);
	mail_decide_all(m, MAIL_DEFERRED, "dot", why);
	client_close(c);
}

/* After the final dot: the reply is the verdict. */
static void
transaction_conclude(struct client *c, struct mail *m)
{
	enum io r = client_hear(c, WAIT_DOT);

	if (r != IO_OK)
		transaction_doubt(c, m, r);
	else if (c->answer.code / 100 == 2)
		mail_decide_all(m, MAIL_DELIVERED, "dot",
		    sbuf_span(&c->answer.text));
	else
		transaction_refused(c, m, "dot");
}

/* After 354. If no recipient was accepted, the text is empty. */
static void
transaction_deliver(struct client *c, struct mail *m)
{
	enum io r = mail_accepted(m) ? transaction_send_text(c, m) : IO_OK;

	if (r == IO_ERROR && (errno == EIO || errno == EBADMSG)) {
		mail_decide_all(m, MAIL_DEFERRED, "queue",
		    SPAN("451 4.3.0 The queue file is damaged"));
		client_close(c);
		return;
	}
	if (r == IO_OK)
		r = client_turn(c);
	if (r == IO_OK)
		r = outbuf_add(&c->out, ".\r\n", 3, client_wait(c, WAIT_BLOCK));
	c->owed++;
	if (r == IO_OK)
		transaction_conclude(c, m);
	else if (r == IO_TIMEOUT)
		transaction_lose(c, m, "text", r);
	else
		transaction_cut_short(c, m);
}

/* Back to the state after EHLO; if that fails, closes the connection. */
static void
transaction_rset(struct client *c)
{
	enum io r = client_ask(c, "RSET", SPAN(""));

	if (r != IO_OK || c->answer.code / 100 != 2)
		client_close(c);
}

static bool
transaction_is_too_big(struct client *c, struct mail *m)
{
	char text[160];

	if (c->size_max == 0 || mail_size(m) <= c->size_max)
		return false;
	(void)snprintf(text, sizeof(text),
	    "552 5.3.4 Message size %llu exceeds the server's limit of %llu",
	    (unsigned long long)mail_size(m), (unsigned long long)c->size_max);
	mail_decide_all(m, MAIL_FAILED, "mail", span_str(text));
	return true;
}

bool
client_transaction(struct client *c, struct mail *m)
{
	struct offer o = { .stage = "mail", .reused = c->used };
	enum io r;

	if (transaction_is_too_big(c, m))
		return true;
	c->used = true;
	r = transaction_offer(c, m, &o);
	if (r != IO_OK && o.reused && strcmp(o.stage, "mail") == 0) {
		client_close(c);
		return false;
	}
	if (r == IO_OK && o.data) {
		o.stage = "data";
		r = client_hear(c, WAIT_DATA);
		if (r == IO_OK && c->answer.code == 354)
			transaction_deliver(c, m);
		else if (r == IO_OK)
			transaction_refused(c, m, o.stage);
	}
	if (c->fd == -1)
		return true;
	if (r != IO_OK)
		transaction_lose(c, m, o.stage, r);
	else if (c->answer.code == 421)
		client_close(c);
	else if (c->answer.code / 100 != 2)
		transaction_rset(c);
	return true;
}
