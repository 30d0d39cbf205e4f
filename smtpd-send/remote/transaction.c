/* SPDX-License-Identifier: ISC */
/* One mail transaction: MAIL, RCPT, DATA, the text, and what came of it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client-parts.h"
#include "log.h"
#include "stuff.h"

#define CHUNK 32768
/*
 * Commands in one group: their replies must fit into the sockets' buffers, for
 * nobody reads them before the whole group is written.
 */
#define GROUP 50

/* The connection is of no use any more: who is undecided waits. */
static void
lose(struct client *c, struct mail *m, const char *stage, enum io r)
{
	mail_decide_all(m, MAIL_DEFERRED, stage, client_lost(r));
	client_close(c);
}

static void
refused(struct client *c, struct mail *m, const char *stage)
{
	struct client_failure f = client_refusal(c, stage);

	mail_decide_all(m, f.verdict, stage, f.text);
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

/*
 * 421 says that the server is about to hang up (RFC 5321 3.8). A connection
 * that has waited gets it for waiting, not for this message.
 */
static enum io
hear_mail(struct client *c, struct mail *m, bool reused)
{
	enum io r = client_hear(c, WAIT_COMMAND);

	if (r == IO_OK && reused && c->answer.code == 421)
		return IO_EOF;
	if (r == IO_OK && c->answer.code / 100 != 2)
		refused(c, m, "mail");
	return r;
}

static enum io
hear_rcpt(struct client *c, struct mail_rcpt *to)
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
	const char *stage; /* where it has got to */
	bool reused;       /* the connection has served before */
	bool data;         /* DATA has been said */
};

/*
 * Some recipients and, in a group (RFC 2920 3.1) behind the last one, DATA;
 * then the replies in that order. mail: that of MAIL is the first of them.
 */
static enum io
offer_group(struct client *c, struct mail *m, size_t from, size_t to, bool mail,
    struct offer *o)
{
	enum io r = IO_OK;

	for (size_t i = from; i < to && r == IO_OK; i++)
		r = client_say(c, "RCPT TO:", m->rcpts[i].path);
	if (r == IO_OK && c->pipelining && to == m->nrcpts) {
		o->data = true;
		r = client_say(c, "DATA", SPAN(""));
	}
	if (r == IO_OK && mail)
		r = hear_mail(c, m, o->reused);
	for (size_t i = from; i < to && r == IO_OK; i++) {
		o->stage = "rcpt";
		r = hear_rcpt(c, &m->rcpts[i]);
	}
	return r;
}

static enum io
offer(struct client *c, struct mail *m, struct offer *o)
{
	size_t group = c->pipelining ? GROUP : 1, to;
	enum io r = say_mail(c, m);

	if (r == IO_OK && !c->pipelining)
		r = hear_mail(c, m, o->reused);
	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i = to) {
		if (m->rcpts[i].verdict != MAIL_OPEN)
			return IO_OK; /* MAIL was refused */
		to = m->nrcpts - i > group ? i + group : m->nrcpts;
		r = offer_group(c, m, i, to, c->pipelining && i == 0, o);
	}
	if (r == IO_OK && !o->data && mail_accepted(m)) {
		o->data = true;
		o->stage = "data";
		r = client_say(c, "DATA", SPAN(""));
	}
	return r;
}

/* The nth of the H frames, from 0; how many there are. */
static size_t
find_top(const struct mail *m, size_t nth, struct span *lines)
{
	struct frame f;
	size_t n = 0, pos = 0;

	while (queuefile_next(&m->file, &pos, &f)) {
		if (f.tag != 'H')
			continue;
		if (n == nth)
			*lines = f.payload;
		n++;
	}
	return n;
}

/* The fields on top: a later H frame stands above an earlier one. */
static enum io
send_top(struct client *c, struct stuff *s, const struct mail *m)
{
	struct span lines = SPAN("");
	size_t n = find_top(m, SIZE_MAX, &lines);
	enum io r = IO_OK;

	while (n-- > 0 && r == IO_OK) {
		(void)find_top(m, n, &lines);
		r = stuff_add(s, &c->out, lines, client_wait(c, WAIT_BLOCK));
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
	    stuff_finish(&s, &c->out, client_wait(c, WAIT_BLOCK)) :
	    r;
}

/*
 * The server spoke, or hung up, before the text had its end: then there is no
 * message, and its word against it counts, but none for it.
 */
static void
cut_short(struct client *c, struct mail *m)
{
	enum io r;

	c->out.len = 0;
	c->owed = 1;
	r = client_hear(c, WAIT_QUIT);
	if (r == IO_OK && c->answer.code >= 400)
		refused(c, m, "text");
	if (r == IO_OK) {
		r = IO_ERROR;
		errno = EALREADY;
	}
	lose(c, m, "text", r);
}

/* It may have arrived: twice at worst, never lost. */
static void
doubt(struct client *c, struct mail *m, enum io r)
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

/* The dot has been said: the reply is the verdict. */
static void
conclude(struct client *c, struct mail *m)
{
	enum io r = client_hear(c, WAIT_DOT);

	if (r != IO_OK)
		doubt(c, m, r);
	else if (c->answer.code / 100 == 2)
		mail_decide_all(m, MAIL_DELIVERED, "dot",
		    sbuf_span(&c->answer.text));
	else
		refused(c, m, "dot");
}

/* After 354. With nobody left to deliver to, the text is empty. */
static void
deliver_text(struct client *c, struct mail *m)
{
	enum io r = mail_accepted(m) ? send_text(c, m) : IO_OK;

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
		conclude(c, m);
	else if (r == IO_TIMEOUT)
		lose(c, m, "text", r);
	else
		cut_short(c, m);
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
	(void)snprintf(text, sizeof(text),
	    "552 5.3.4 The message has %llu "
	    "octets, the server takes %llu",
	    (unsigned long long)mail_size(m), (unsigned long long)c->size_max);
	mail_decide_all(m, MAIL_FAILED, "mail", span_str(text));
	return true;
}

bool
client_transaction(struct client *c, struct mail *m)
{
	struct offer o = { .stage = "mail", .reused = c->used };
	enum io r;

	if (too_big(c, m))
		return true;
	c->used = true;
	r = offer(c, m, &o);
	if (r != IO_OK && o.reused && strcmp(o.stage, "mail") == 0) {
		client_close(c);
		return false;
	}
	if (r == IO_OK && o.data) {
		o.stage = "data";
		r = client_hear(c, WAIT_DATA);
		if (r == IO_OK && c->answer.code == 354)
			deliver_text(c, m);
		else if (r == IO_OK)
			refused(c, m, o.stage);
	}
	if (c->fd == -1)
		return true;
	if (r != IO_OK)
		lose(c, m, o.stage, r);
	else if (c->answer.code == 421)
		client_close(c);
	else if (c->answer.code / 100 != 2)
		reset(c);
	return true;
}
