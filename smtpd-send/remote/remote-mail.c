/* SPDX-License-Identifier: ISC */
/* One message on its way out: received, put on the wire, and its verdicts. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "conversation.h"
#include "remote-mail.h"

#define MEMORY_MAX (MAIL_RCPTS * 1024)
#define ANSWER_MS 60000 /* smtpd-send reads its verdicts at once */

void
mail_decide(struct mail_rcpt *r, enum mail_verdict v, const char *stage,
    struct span text)
{
	if (r->verdict != MAIL_OPEN)
		return;
	if (text.n > MAIL_TEXT)
		text.n = MAIL_TEXT;
	r->verdict = v;
	r->stage = stage;
	r->text = strndup(text.p, text.n);
}

void
mail_decide_all(struct mail *m, enum mail_verdict v, const char *stage,
    struct span text)
{
	for (size_t i = 0; i < m->nrcpts; i++)
		mail_decide(&m->rcpts[i], v, stage, text);
}

bool
mail_accepted(const struct mail *m)
{
	for (size_t i = 0; i < m->nrcpts; i++) {
		const struct mail_rcpt *r = &m->rcpts[i];

		if (r->verdict == MAIL_OPEN && r->accepted)
			return true;
	}
	return false;
}

uint64_t
mail_size(const struct mail *m)
{
	uint64_t size = m->file.body_len;
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(&m->file, &pos, &f))
		if (f.tag == 'H')
			size += f.payload.n;
	return size;
}

/* D: "ID ATTEMPT" and the descriptor. This detects a damaged file. */
static bool
mail_take_message(struct mail *m, struct chan *c, struct span payload)
{
	char id[QUEUE_ID_SIZE];
	int fd = queuefile_take(c, &payload, id);

	if (fd == -1)
		return false;
	if (m->file.fd != -1)
		(void)close(m->file.fd);
	if (queuefile_open(&m->file, fd, id) == QUEUEFILE_OK)
		return true;
	(void)close(fd);
	m->file.fd = -1;
	m->damaged = true;
	return true;
}

static bool
mail_take_sender(struct mail *m, struct span payload)
{
	struct envelope_path from;
	struct span word;

	if (!envelope_sender(payload, &from))
		return false;
	m->sender = from.path;
	while ((word = span_word(&from.params)).n > 0)
		if (span_ieq(word, SPAN("BODY=8BITMIME")))
			m->eightbit = true;
	return true;
}

static bool
mail_take_recipient(struct mail *m, struct span payload)
{
	struct mail_rcpt *r = &m->rcpts[m->nrcpts];
	struct span index = span_word(&payload);
	struct address address;

	payload = span_trim(payload);
	if (m->nrcpts == MAIL_RCPTS || !span_u32(index, UINT32_MAX, &r->index))
		return false;
	r->path = payload;
	if (address_path(&payload, ADDRESS_FORWARD, &address) != ADDRESS_OK)
		return false;
	r->path.n -= payload.n; /* without its parameters */
	m->nrcpts++;
	return true;
}

/* Frames are views: what must outlive them is copied to one block. */
static struct span
mail_keep(struct mail *m, struct span payload)
{
	char *at = m->memory + m->used;

	if (payload.n > MEMORY_MAX - m->used)
		return span_of("", 0);
	memcpy(at, payload.p, payload.n);
	m->used += payload.n;
	return span_of(at, payload.n);
}

static bool
mail_take(struct mail *m, struct chan *c, const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return mail_take_message(m, c, f->payload);
	case 'S':
		return mail_take_sender(m, mail_keep(m, f->payload));
	case 'R':
		return mail_take_recipient(m, mail_keep(m, f->payload));
	case 'E':
		return (m->file.fd != -1 || m->damaged) && m->sender.n > 0 &&
		    m->nrcpts > 0;
	default:
		return f->tag >= 'a';
	}
}

enum io
mail_receive(struct mail *m, struct chan *c)
{
	struct frame f;
	enum io r;

	memset(m, 0, sizeof(*m));
	m->file.fd = -1;
	m->memory = malloc(MEMORY_MAX);
	if (m->memory == NULL)
		return IO_ERROR;
	while ((r = chan_recv(c, &f, NEVER)) == IO_OK) {
		if (f.tag == 'Q')
			return IO_EOF;
		if (!mail_take(m, c, &f)) {
			errno = EPROTO;
			return IO_ERROR;
		}
		if (f.tag == 'E')
			return IO_OK;
	}
	return r;
}

static char
mail_tag(enum mail_verdict v)
{
	switch (v) {
	case MAIL_DELIVERED:
		return 'K';
	case MAIL_FAILED:
		return 'X';
	case MAIL_OPEN:
	case MAIL_DEFERRED:
		break;
	}
	return 'Z';
}

enum io
mail_answer(struct mail *m, struct chan *c, const char *host, const char *tls)
{
	instant deadline = clock_in(ANSWER_MS);
	struct sbuf b;
	enum io r = IO_OK;

	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	mail_decide_all(m, MAIL_DEFERRED, "connect",
	    SPAN("451 4.3.0 Not tried"));
	if (*tls != '\0')
		r = chan_send(c, 't', span_str(tls), deadline);
	for (size_t i = 0; i < m->nrcpts && r == IO_OK; i++) {
		struct mail_rcpt *to = &m->rcpts[i];

		sbuf_reset(&b);
		sbuf_addf(&b, "%u %s %s %s", to->index, to->stage,
		    *host == '\0' ? "-" : host,
		    to->text == NULL ? "451 4.3.0 Out of memory" : to->text);
		r = chan_send(c, mail_tag(to->verdict), sbuf_span(&b),
		    deadline);
	}
	sbuf_free(&b);
	return r == IO_OK ? chan_flush(c, deadline) : r;
}

void
mail_close(struct mail *m)
{
	if (m->file.fd != -1)
		(void)close(m->file.fd);
	m->file.fd = -1;
	queuefile_close(&m->file);
	for (size_t i = 0; i < m->nrcpts; i++)
		free(m->rcpts[i].text);
	m->nrcpts = 0;
	free(m->memory);
	m->memory = NULL;
}

/* --- the text on the wire ------------------------------------------------ */

static enum io
stuff_end_line(struct stuff *s, struct outbuf *out, instant deadline)
{
	s->in_line = s->cr = false;
	return outbuf_add(out, "\r\n", 2, deadline);
}

/* A run of octets without CR and LF, not empty. */
static enum io
stuff_add_run(struct stuff *s, struct outbuf *out, struct span run,
    instant deadline)
{
	enum io r = IO_OK;

	if (!s->in_line && run.p[0] == '.')
		r = outbuf_add(out, ".", 1, deadline);
	s->in_line = true;
	return r == IO_OK ? outbuf_add(out, run.p, run.n, deadline) : r;
}

static size_t
stuff_run_length(struct span in)
{
	size_t n = 0;

	while (n < in.n && in.p[n] != '\r' && in.p[n] != '\n')
		n++;
	return n;
}

enum io
stuff_add(struct stuff *s, struct outbuf *out, struct span in, instant deadline)
{
	enum io r = IO_OK;

	while (in.n > 0 && r == IO_OK) {
		size_t n = stuff_run_length(in);
		bool pair = s->cr && in.p[0] == '\n';

		if (s->cr) {
			/* CRLF or a bare CR: a line end either way. */
			r = stuff_end_line(s, out, deadline);
			in = span_skip(in, pair ? 1 : 0);
		} else if (n > 0) {
			r = stuff_add_run(s, out, span_of(in.p, n), deadline);
			in = span_skip(in, n);
		} else if (in.p[0] == '\r') {
			s->cr = true;
			in = span_skip(in, 1);
		} else {
			r = stuff_end_line(s, out, deadline);
			in = span_skip(in, 1);
		}
	}
	return r;
}

enum io
stuff_finish(struct stuff *s, struct outbuf *out, instant deadline)
{
	return s->in_line || s->cr ? stuff_end_line(s, out, deadline) : IO_OK;
}
