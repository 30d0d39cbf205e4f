/* SPDX-License-Identifier: ISC */
/* What smtpd-send asks for: one notice, in frames. */
#include "request.h"

#include <errno.h>
#include <unistd.h>

#include "envelope.h"

#define MEMORY_MAX (16 * 1024 * 1024)
#define HOST_MAX 320 /* a domain name and an address */

void
request_init(struct request *r)
{
	r->original.fd = -1;
	sbuf_init(&r->text, MEMORY_MAX);
	sbuf_init(&r->mailbox, ADDRESS_PATH_MAX + 2);
}

void
request_reset(struct request *r, const struct conf *conf)
{
	if (r->original.fd != -1) {
		(void)close(r->original.fd);
		queuefile_close(&r->original);
	}
	r->original.fd = -1;
	r->notice.nrcpts = 0;
	r->notice.conf = conf;
	r->notice.original = &r->original;
	r->sender = SPAN("");
	r->last_resort = false;
	sbuf_reset(&r->text);
	sbuf_reset(&r->mailbox);
}

/* A source route is of no use to anybody. */
static void
take_sender(struct request *r, const struct envelope_path *from)
{
	sbuf_reset(&r->mailbox);
	sbuf_putc(&r->mailbox, '<');
	sbuf_addspan(&r->mailbox, from->address.whole);
	sbuf_putc(&r->mailbox, '>');
	r->sender = sbuf_span(&r->mailbox);
}

/* Only what came from us can say that it is the last resort. */
static void
read_envelope(struct request *r)
{
	bool own = false;
	struct envelope_path from;
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(&r->original, &pos, &f)) {
		if (f.tag == 'S' && envelope_sender(f.payload, &from))
			take_sender(r, &from);
		if (f.tag != 'C')
			continue;
		if (span_eq(f.payload, SPAN("entrance=own")))
			own = true;
		else if (span_eq(f.payload, SPAN(REQUEST_LAST_RESORT)))
			r->last_resort = own;
	}
}

static bool
open_original(struct request *r, int fd, struct span id)
{
	char text[QUEUE_ID_SIZE];

	memcpy(text, id.p, QUEUE_ID_LEN);
	text[QUEUE_ID_LEN] = '\0';
	switch (queuefile_open(&r->original, fd, text)) {
	case QUEUEFILE_OK:
		r->original.fd = fd;
		return true;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		errno = EBADMSG;
		break;
	case QUEUEFILE_IOERR:
		break;
	}
	r->original.fd = -1;
	return false;
}

static bool
parse_kind(struct span word, enum notice_kind *kind)
{
	for (size_t i = 0; i < NOTICE_KINDS; i++) {
		*kind = (enum notice_kind)i;
		if (span_eq(word, span_str(notice_kind_name(*kind))))
			return true;
	}
	return false;
}

static bool
take_message(struct request *r, struct chan *c, struct span payload)
{
	struct span id = span_word(&payload), kind = span_word(&payload);
	int fd = chan_take_fd(c);

	if (fd == -1)
		return false;
	if (r->original.fd != -1 || !queue_id_valid(id) ||
	    !parse_kind(kind, &r->notice.kind) || !open_original(r, fd, id)) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return false;
	}
	read_envelope(r);
	return true;
}

/* Its text moves while others come, so only its place is noted. */
static bool
take_recipient(struct request *r, struct span payload)
{
	struct request_at *at = &r->at[r->notice.nrcpts];

	if (r->notice.nrcpts == NOTICE_RCPTS)
		return false;
	*at = (struct request_at){ .fields = r->text.len,
		.fields_len = payload.n };
	r->notice.nrcpts++;
	sbuf_addspan(&r->text, payload);
	return !r->text.bad;
}

static bool
take_original(struct request *r, struct span payload)
{
	struct request_at *at;

	if (r->notice.nrcpts == 0 || payload.n > ADDRESS_PATH_MAX + 2)
		return false;
	at = &r->at[r->notice.nrcpts - 1];
	at->original = r->text.len;
	at->original_len = payload.n;
	sbuf_addspan(&r->text, payload);
	return !r->text.bad;
}

bool
request_take(struct request *r, struct chan *c, const struct frame *f)
{
	errno = EPROTO;
	switch (f->tag) {
	case 'D':
		return take_message(r, c, f->payload);
	case 'F':
		return take_recipient(r, f->payload);
	case 'O':
		return take_original(r, f->payload);
	}
	return f->tag >= 'a';
}

static bool
parse_action(struct span word, enum notice_action *action)
{
	if (span_eq(word, SPAN("failed")))
		*action = NOTICE_REFUSED;
	else if (span_eq(word, SPAN("expired")))
		*action = NOTICE_EXPIRED;
	else if (span_eq(word, SPAN("ordered")))
		*action = NOTICE_ORDERED;
	else if (span_eq(word, SPAN("delayed")))
		*action = NOTICE_WAITS;
	else
		return false;
	return true;
}

/*
 * An address that does not parse any more (of an older queue, say) is no
 * reason to tell the sender nothing.
 */
static struct span
take_path(struct span *s)
{
	struct span path = *s;
	struct address address;

	if (address_path(s, ADDRESS_FORWARD, &address) == ADDRESS_OK) {
		path.n -= s->n;
		return path;
	}
	path.n = span_find(path, '>');
	if (path.n < s->n)
		path.n++;
	*s = span_skip(*s, path.n);
	if (path.n > ADDRESS_PATH_MAX + 2)
		path.n = ADDRESS_PATH_MAX + 2;
	return path;
}

static bool
parse_recipient(struct request *r, size_t i)
{
	const struct request_at *at = &r->at[i];
	struct notice_rcpt *to = &r->notice.rcpts[i];
	struct span s = span_of(r->text.s + at->fields, at->fields_len);

	if (!parse_action(span_word(&s), &to->action))
		return false;
	to->host = span_word(&s);
	if (to->host.n > HOST_MAX)
		to->host.n = HOST_MAX;
	s = span_trim(s);
	to->path = take_path(&s);
	to->text = span_trim(s);
	to->original = span_of(r->text.s + at->original, at->original_len);
	if (span_eq(to->original, to->path))
		to->original = SPAN("");
	return to->host.n > 0 && to->path.n > 0;
}

bool
request_end(struct request *r)
{
	errno = EPROTO;
	if (r->original.fd == -1 || r->sender.n == 0 || r->notice.nrcpts == 0)
		return false;
	for (size_t i = 0; i < r->notice.nrcpts; i++)
		if (!parse_recipient(r, i))
			return false;
	return true;
}

bool
request_reader(const struct request *r, struct span domain, struct sbuf *to)
{
	if (!span_eq(r->sender, SPAN("<>")) && r->notice.kind != NOTICE_HELD) {
		sbuf_addspan(to, r->sender);
		return true;
	}
	if (r->notice.kind == NOTICE_DELAYED || r->last_resort)
		return false;
	sbuf_adds(to, "<postmaster@");
	sbuf_addspan(to, domain);
	sbuf_putc(to, '>');
	return true;
}
