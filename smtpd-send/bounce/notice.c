/* SPDX-License-Identifier: ISC */
/* A delivery status notification, RFC 3464, as text. */
#include "notice.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "header.h"

#define MAIL_LINE 998 /* RFC 5322 2.1.1 */
#define QP_LINE 76    /* RFC 2045 6.7, rule 5: with the '=' at its end */

/* --- strangers' text, made fit to stand in a message of ours ------------- */

static bool
notice_is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static bool
is_utf8_tail(struct span s, size_t i)
{
	return i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80;
}

/* C1 controls (U+0080 to U+009F) do not count: terminals obey them. */
static size_t
notice_utf8(struct span s)
{
	uint32_t c;
	size_t n = span_utf8(s, &c);

	return n > 0 && c >= 0xa0 ? n : 0;
}

void
notice_clean(struct sbuf *b, struct span s, enum notice_charset charset)
{
	while (s.n > 0) {
		size_t n = notice_is_printable(s.p[0]) ? 1 : 0;

		if (n == 0 && charset == NOTICE_UTF8)
			n = notice_utf8(s);
		if (n == 0) {
			sbuf_addf(b, "\\x%02X", (unsigned char)s.p[0]);
			n = 1;
		} else {
			sbuf_add(b, s.p, n);
		}
		s = span_skip(s, n);
	}
}

/* Where to cut a line that is too long: not inside a character. */
static size_t
notice_cut(struct span s)
{
	size_t n = NOTICE_LINE;

	while (n > NOTICE_LINE - 4 && is_utf8_tail(s, n))
		n--;
	return n;
}

void
notice_fold(struct sbuf *b, struct span text, enum notice_charset charset)
{
	struct sbuf line;
	const char *before = "";

	sbuf_init(&line, 4 * text.n + 1);
	while (text.n > 0) {
		struct span rest = span_trim(span_cut(&text, '\n'));

		sbuf_reset(&line);
		notice_clean(&line, rest, charset);
		if (line.bad)
			b->bad = true; /* no memory */
		for (rest = sbuf_span(&line); rest.n > 0;) {
			size_t n = rest.n > NOTICE_LINE ? notice_cut(rest) :
							  rest.n;

			sbuf_adds(b, before);
			sbuf_add(b, rest.p, n);
			rest = span_skip(rest, n);
			before = "\r\n ";
		}
	}
	sbuf_adds(b, "\r\n");
	sbuf_free(&line);
}

/* Does a line end stand here? */
static bool
notice_is_crlf(struct span s, size_t i)
{
	return i + 1 < s.n && s.p[i] == '\r' && s.p[i + 1] == '\n';
}

bool
notice_is_plain(struct span s)
{
	size_t start = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (notice_is_crlf(s, i))
			start = ++i + 1;
		else if (!notice_is_printable(s.p[i]) && s.p[i] != '\t')
			return false;
		if (i + 1 > start + MAIL_LINE)
			return false;
	}
	return start == s.n;
}

void
notice_quoted_printable(struct sbuf *b, struct span s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool at_end = notice_is_crlf(s, i + 1) || i + 1 == s.n;
		bool literal = notice_is_printable(s.p[i]) && s.p[i] != '=';

		if (notice_is_crlf(s, i)) {
			sbuf_adds(b, "\r\n");
			column = 0;
			i++;
			continue;
		}
		if (ascii_isblank(s.p[i]))
			literal = !at_end; /* rule 3 */
		if (column + (literal ? 1 : 3) > QP_LINE - 1) {
			sbuf_adds(b, "=\r\n");
			column = 0;
		}
		if (literal)
			sbuf_putc(b, s.p[i]);
		else
			sbuf_addf(b, "=%02X", (unsigned char)s.p[i]);
		column += literal ? 1 : 3;
	}
}

/* --- the original: its header section ------------------------------------ */

/* The fields that stand on top in the queue file, the last one first. */
static void
notice_add_top(struct sbuf *b, const struct queuefile *q)
{
	size_t pos = SIZE_MAX;
	struct frame f;

	while (b->len < NOTICE_HEADERS && queuefile_previous(q, 'H', &pos, &f))
		sbuf_addspan(b, f.payload);
}

static void
notice_add_field(struct sbuf *b, const struct header *h)
{
	const struct sbuf *f = &h->field;

	if (f->bad)
		b->bad = true;
	if (h->cut || b->len >= NOTICE_HEADERS)
		return;
	sbuf_addspan(b, sbuf_span(f));
	if (f->len < 2 || memcmp(f->s + f->len - 2, "\r\n", 2) != 0)
		sbuf_adds(b, "\r\n");
}

/* False when that was the end of the section. */
static bool
notice_add_fields(struct sbuf *b, struct header *h, struct span in)
{
	size_t used;

	for (;;) {
		switch (header_push(h, in, &used)) {
		case HEADER_FIELD:
			notice_add_field(b, h);
			in = span_skip(in, used);
			break;
		case HEADER_MORE:
			return b->len < NOTICE_HEADERS;
		case HEADER_END:
			return false;
		}
	}
}

/*
 * The header section of the original as its recipients get it, without what
 * lies beyond NOTICE_HEADERS and without fields over HEADER_KEPT.
 */
static bool
notice_original(struct sbuf *b, const struct queuefile *q)
{
	struct header h;
	char chunk[8192];
	uint64_t at = 0;
	bool more = true, ok = true;

	notice_add_top(b, q);
	header_init(&h);
	while (more && at < q->body_len) {
		uint64_t left = q->body_len - at;
		size_t want = left < sizeof(chunk) ? (size_t)left :
						     sizeof(chunk);
		ssize_t n = pread(q->fd, chunk, want, (off_t)at);

		ok = n > 0;
		if (!ok) {
			errno = n == 0 ? EIO : errno; /* it became shorter */
			break;
		}
		at += (uint64_t)n;
		more = notice_add_fields(b, &h, span_of(chunk, (size_t)n));
	}
	if (ok && more && header_finish(&h) == HEADER_FIELD)
		notice_add_field(b, &h);
	header_free(&h);
	if (b->bad)
		errno = ENOMEM;
	return ok && !b->bad;
}

/* --- the report ------------------------------------------------------------ */

static void
notice_line(struct sbuf *b, const char *s)
{
	sbuf_adds(b, s);
	sbuf_adds(b, "\r\n");
}

static void
notice_date(struct sbuf *b, const char *name, uint64_t when)
{
	sbuf_adds(b, name);
	clock_date(b, (time_t)when);
	notice_line(b, "");
}

static uint64_t
notice_born(const struct notice *n)
{
	return queue_id_time(n->original->id) / 1000000;
}

/* The path without its angle brackets. */
static struct span
notice_bare(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' ?
	    span_of(path.p + 1, path.n - 2) :
	    path;
}

static bool
notice_has_host(const struct notice_rcpt *r)
{
	return !span_eq(r->host, SPAN("-"));
}

/* A recipient's share: the whole reply, unless there are very many of them. */
static struct span
notice_reply(const struct notice *n, const struct notice_rcpt *r)
{
	size_t share = NOTICE_TEXTS / n->nrcpts;
	struct span text = r->text;

	if (share > NOTICE_TEXT)
		share = NOTICE_TEXT;
	if (text.n > share)
		text.n = share;
	return text;
}

/* RFC 3463 2: class "." subject "." detail, up to three digits each. */
static bool
notice_is_status(struct span s)
{
	struct span class = span_cut(&s, '.'), subject = span_cut(&s, '.');
	uint32_t number;

	return class.n == 1 && subject.n <= 3 && s.n <= 3 &&
	    span_u32(class, 5, &number) && span_u32(subject, 999, &number) &&
	    span_u32(s, 999, &number);
}

void
notice_status(struct sbuf *b, const struct notice_rcpt *r)
{
	struct span text = r->text, code;
	char class = r->action == NOTICE_REFUSED ? '5' : '4';

	if (r->action == NOTICE_EXPIRED) {
		sbuf_adds(b, "4.4.7"); /* RFC 3463: delivery time expired */
		return;
	}
	if (r->action == NOTICE_ORDERED) {
		sbuf_adds(b, "5.0.0");
		return;
	}
	text = span_cut(&text, '\n');
	if (text.n > 3 && text.p[3] == '-')
		text = span_skip(text, 4);
	else
		(void)span_word(&text);
	code = span_word(&text);
	if (notice_is_status(code) && code.p[0] == class) {
		sbuf_addspan(b, code);
		return;
	}
	sbuf_putc(b, class);
	sbuf_adds(b, ".0.0");
}

static void
notice_boundary(struct sbuf *b, const struct notice *n)
{
	sbuf_adds(b, "=_");
	sbuf_adds(b, n->id);
}

/* One part of the report, encoded when it has to be. */
static void
notice_part(struct sbuf *b, const struct notice *n, const char *type,
    struct span text)
{
	bool plain = notice_is_plain(text);

	sbuf_adds(b, "\r\n--");
	notice_boundary(b, n);
	sbuf_adds(b, "\r\nContent-Type: ");
	notice_line(b, type);
	if (!plain)
		notice_line(b, "Content-Transfer-Encoding: quoted-printable");
	notice_line(b, "");
	if (plain)
		sbuf_addspan(b, text);
	else
		notice_quoted_printable(b, text);
}

static void
notice_header(struct sbuf *b, const struct notice *n)
{
	static const char *const subjects[] = {
		[NOTICE_FAILED] = "Undelivered Mail Returned to Sender",
		[NOTICE_DELAYED] = "Delayed Mail (still being retried)",
		[NOTICE_HELD] = "Mail on hold: delivery crashes",
	};

	notice_date(b, "Date: ", clock_wall_us() / 1000000);
	sbuf_adds(b, "From: Mail Delivery System <MAILER-DAEMON@");
	sbuf_addspan(b, n->domain);
	sbuf_adds(b, ">\r\nTo: ");
	sbuf_addspan(b, n->to);
	sbuf_addf(b, "\r\nMessage-ID: <%s.notice@%s>\r\n", n->id,
	    n->conf->hostname);
	sbuf_adds(b, "Subject: ");
	notice_line(b, subjects[n->kind]);
	notice_line(b, "Auto-Submitted: auto-replied"); /* RFC 3834 5 */
	notice_line(b, "MIME-Version: 1.0");
	sbuf_adds(b,
	    "Content-Type: multipart/report;\r\n"
	    "\treport-type=delivery-status;\r\n\tboundary=\"");
	notice_boundary(b, n);
	notice_line(b, "\"");
	notice_line(b, "");
	notice_line(b, "This is a MIME-formatted report.");
}

static void
notice_explain_rcpt(struct sbuf *b, const struct notice *n,
    const struct notice_rcpt *r)
{
	notice_line(b, "");
	notice_clean(b, r->path, NOTICE_UTF8);
	if (r->original.n > 0) {
		sbuf_adds(b, " (expanded from ");
		notice_clean(b, r->original, NOTICE_UTF8);
		sbuf_putc(b, ')');
	}
	notice_line(b, ":");
	if (r->action == NOTICE_EXPIRED)
		notice_line(b, " Given up after many attempts. Last reply:");
	if (r->action == NOTICE_ORDERED)
		notice_line(b,
		    " Cancelled by the administrator of this mail server. "
		    "Last reply:");
	sbuf_putc(b, ' ');
	if (notice_has_host(r)) {
		notice_clean(b, r->host, NOTICE_UTF8);
		sbuf_adds(b, " said:\r\n ");
	}
	notice_fold(b, notice_reply(n, r), NOTICE_UTF8);
}

/* What happened, and what the reader may do about it. */
static void
notice_explain_kind(struct sbuf *b, const struct notice *n)
{
	switch (n->kind) {
	case NOTICE_FAILED:
		notice_date(b, "Your message of ", notice_born(n));
		notice_line(b,
		    "could not be delivered to the recipients below. "
		    "No further attempt will be made.");
		break;
	case NOTICE_DELAYED:
		notice_line(b,
		    "This is a warning only. "
		    "You do not need to send your message again.\r\n");
		notice_date(b, "Your message of ", notice_born(n));
		notice_line(b,
		    "has not been delivered to the recipients below yet. "
		    "Delivery will be tried until");
		notice_date(b, "", notice_born(n) + n->conf->queue_lifetime);
		break;
	case NOTICE_HELD:
		notice_line(b,
		    "Delivery of a message to the recipients below has "
		    "crashed several times. The\r\n"
		    "message is now on hold and its sender has not been "
		    "told. To try it again:\r\n");
		sbuf_addf(b, "    smtpd-ctl release %s\r\n\r\n",
		    n->original->id);
		notice_line(b,
		    "If it is not released it will be returned to its sender "
		    "when it expires, on");
		notice_date(b, "", notice_born(n) + n->conf->queue_lifetime);
		break;
	}
}

static void
notice_explain(struct sbuf *b, const struct notice *n)
{
	sbuf_addf(b, "This is the mail server at %s.\r\n\r\n",
	    n->conf->hostname);
	notice_explain_kind(b, n);
	for (size_t i = 0; i < n->nrcpts; i++)
		notice_explain_rcpt(b, n, &n->rcpts[i]);
	if (n->kind == NOTICE_HELD)
		return;
	sbuf_adds(b,
	    "\r\nThe header of your message is attached. For help, send this "
	    "notice to\r\n<postmaster@");
	sbuf_addspan(b, n->domain);
	notice_line(b, ">.");
}

static void
notice_recipient(struct sbuf *b, const char *name, struct span path)
{
	sbuf_addf(b, "%s: rfc822; ", name);
	notice_clean(b, notice_bare(path), NOTICE_ASCII);
	notice_line(b, "");
}

/* RFC 3464 2.3. */
static void
notice_state_rcpt(struct sbuf *b, const struct notice *n,
    const struct notice_rcpt *r)
{
	struct span host = span_of(r->host.p, span_find(r->host, '['));

	notice_line(b, "");
	if (r->original.n > 0)
		notice_recipient(b, "Original-Recipient", r->original);
	notice_recipient(b, "Final-Recipient", r->path);
	notice_line(b,
	    r->action == NOTICE_WAITS ? "Action: delayed" : "Action: failed");
	sbuf_adds(b, "Status: ");
	notice_status(b, r);
	notice_line(b, "");
	if (notice_has_host(r)) {
		sbuf_adds(b, "Remote-MTA: dns; ");
		notice_clean(b, host.n > 0 ? host : r->host, NOTICE_ASCII);
		notice_line(b, "");
	}
	sbuf_adds(b, "Diagnostic-Code: smtp; ");
	notice_fold(b, notice_reply(n, r), NOTICE_ASCII);
	if (r->action == NOTICE_WAITS)
		notice_date(b, "Will-Retry-Until: ",
		    notice_born(n) + n->conf->queue_lifetime);
}

static void
notice_state(struct sbuf *b, const struct notice *n)
{
	sbuf_addf(b, "Reporting-MTA: dns; %s\r\nX-Queue-ID: %s\r\n",
	    n->conf->hostname, n->original->id);
	notice_date(b, "Arrival-Date: ", notice_born(n));
	for (size_t i = 0; i < n->nrcpts; i++)
		notice_state_rcpt(b, n, &n->rcpts[i]);
}

const char *
notice_kind_name(enum notice_kind kind)
{
	static const char *const names[] = {
		[NOTICE_FAILED] = "failed",
		[NOTICE_DELAYED] = "delayed",
		[NOTICE_HELD] = "held",
	};

	return names[kind];
}

bool
notice_write(struct sbuf *b, const struct notice *n)
{
	struct sbuf original, words, status;
	bool ok;

	sbuf_init(&original, NOTICE_MAX);
	sbuf_init(&words, NOTICE_MAX);
	sbuf_init(&status, NOTICE_MAX);
	ok = notice_original(&original, n->original);
	if (ok) {
		notice_explain(&words, n);
		notice_state(&status, n);
		notice_header(b, n);
		notice_part(b, n,
		    notice_is_plain(sbuf_span(&words)) ?
			"text/plain; charset=us-ascii" :
			"text/plain; charset=utf-8",
		    sbuf_span(&words));
		notice_part(b, n, "message/delivery-status",
		    sbuf_span(&status));
		notice_part(b, n, "text/rfc822-headers", sbuf_span(&original));
		sbuf_adds(b, "\r\n--");
		notice_boundary(b, n);
		notice_line(b, "--");
		ok = !b->bad && !words.bad && !status.bad;
		if (!ok)
			errno = ENOMEM;
	}
	sbuf_free(&original);
	sbuf_free(&words);
	sbuf_free(&status);
	return ok;
}
