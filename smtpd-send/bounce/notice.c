/* SPDX-License-Identifier: ISC */
/* A delivery status notification, RFC 3464, as text. */
#include "notice.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "header.h"

#define LINE 76			/* where lines of ours are folded */

static void
line(struct sbuf *b, const char *s)
{
	sbuf_adds(b, s);
	sbuf_adds(b, "\r\n");
}

/* The path without its angle brackets. */
static struct span
bare(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' ?
	    span_of(path.p + 1, path.n - 2) : path;
}

static bool
is_status(struct span s)
{
	unsigned dots = 0;

	if (s.n < 5 || s.n > 9 || memchr("245", s.p[0], 3) == NULL ||
	    s.p[1] != '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.')
			dots++;
		else if (!ascii_isdigit(s.p[i]))
			return false;
	}
	return dots == 2 && s.p[s.n - 1] != '.';
}

void
notice_status(struct sbuf *b, const struct notice_rcpt *r)
{
	struct span text = r->text, code;
	char class = '4';

	if (span_eq(r->action, SPAN("expired"))) {
		sbuf_adds(b, "4.4.7");	/* RFC 3463: delivery time expired */
		return;
	}
	if (text.n > 3 && text.p[3] == '-')
		text = span_skip(text, 4);
	else
		(void)span_word(&text);
	code = span_word(&text);
	if (span_eq(r->action, SPAN("failed")))
		class = '5';
	if (is_status(code) && code.p[0] == class) {
		sbuf_addspan(b, code);
		return;
	}
	sbuf_putc(b, class);
	sbuf_adds(b, ".0.0");
}

/* The diagnostic as a field value: its lines become folds. */
static void
folded(struct sbuf *b, struct span text)
{
	struct span rest = text;

	while (rest.n > 0) {
		struct span part = span_cut(&rest, '\n');

		/* Nothing longer than a line of mail may be. */
		for (; part.n > 900; part = span_skip(part, 900)) {
			sbuf_addspan(b, span_of(part.p, 900));
			sbuf_adds(b, "\r\n ");
		}
		sbuf_addspan(b, part);
		sbuf_adds(b, rest.n > 0 ? "\r\n " : "\r\n");
	}
	if (text.n == 0)
		sbuf_adds(b, "\r\n");
}

static void
boundary(struct sbuf *b, const struct notice *n)
{
	sbuf_adds(b, "=_");
	sbuf_adds(b, n->id);
}

static void
part(struct sbuf *b, const struct notice *n, const char *type)
{
	sbuf_adds(b, "\r\n--");
	boundary(b, n);
	sbuf_adds(b, "\r\nContent-Type: ");
	line(b, type);
}

static void
write_header(struct sbuf *b, const struct notice *n, bool eightbit)
{
	const char *host = n->conf->hostname;

	sbuf_adds(b, "Date: ");
	clock_date(b, (time_t)(clock_wall_us() / 1000000));
	sbuf_addf(b, "\r\nFrom: Mail delivery at %s <MAILER-DAEMON@%s>\r\n",
	    host, host);
	sbuf_adds(b, "To: ");
	sbuf_addspan(b, n->to);
	sbuf_addf(b, "\r\nMessage-ID: <%s.bounce@%s>\r\n", n->id, host);
	line(b, n->kind == NOTICE_FAILED ?
	    "Subject: Undelivered mail returned to sender" :
	    "Subject: Delayed mail, still being tried");
	line(b, "Auto-Submitted: auto-replied");	/* RFC 3834 5 */
	line(b, "MIME-Version: 1.0");
	sbuf_adds(b, "Content-Type: multipart/report;\r\n"
	    "\treport-type=delivery-status; boundary=\"");
	boundary(b, n);
	line(b, "\"");
	line(b, eightbit ? "Content-Transfer-Encoding: 8bit" :
	    "Content-Transfer-Encoding: 7bit");
	line(b, "");
	line(b, "This is a MIME-formatted report.");
}

static void
write_words(struct sbuf *b, const struct notice *n)
{
	part(b, n, "text/plain; charset=us-ascii");
	line(b, "");
	sbuf_addf(b, "This is the mail server at %s.\r\n\r\n",
	    n->conf->hostname);
	if (n->kind == NOTICE_FAILED) {
		line(b, "Your message could not be delivered to the "
		    "recipients below. It will not");
		line(b, "be tried again.");
	} else {
		line(b, "Your message has not been delivered yet to the "
		    "recipients below. You need");
		line(b, "not send it again: it will be tried further.");
	}
	for (size_t i = 0; i < n->nrcpts; i++) {
		const struct notice_rcpt *r = &n->rcpts[i];

		line(b, "");
		sbuf_addspan(b, r->path);
		sbuf_adds(b, ":\r\n ");
		if (span_eq(r->action, SPAN("expired")))
			sbuf_adds(b, "given up after many tries; the last "
			    "answer was\r\n ");
		if (!span_eq(r->host, SPAN("-"))) {
			sbuf_addspan(b, r->host);
			sbuf_adds(b, " said:\r\n ");
		}
		folded(b, r->text);
	}
}

static void
write_rcpt(struct sbuf *b, const struct notice *n, const struct notice_rcpt *r)
{
	struct span host = span_of(r->host.p, span_find(r->host, '['));

	line(b, "");
	sbuf_adds(b, "Final-Recipient: rfc822; ");
	sbuf_addspan(b, bare(r->path));
	sbuf_adds(b, "\r\nAction: ");
	sbuf_adds(b, n->kind == NOTICE_FAILED ? "failed" : "delayed");
	sbuf_adds(b, "\r\nStatus: ");
	notice_status(b, r);
	line(b, "");
	if (!span_eq(r->host, SPAN("-"))) {
		sbuf_adds(b, "Remote-MTA: dns; ");
		sbuf_addspan(b, host);
		line(b, "");
	}
	sbuf_adds(b, "Diagnostic-Code: smtp; ");
	folded(b, r->text);
}

static void
write_status(struct sbuf *b, const struct notice *n)
{
	part(b, n, "message/delivery-status");
	line(b, "");
	sbuf_addf(b, "Reporting-MTA: dns; %s\r\nX-Queue-ID: %s\r\n",
	    n->conf->hostname, n->original->id);
	sbuf_adds(b, "Arrival-Date: ");
	clock_date(b, (time_t)(queue_id_time(n->original->id) / 1000000));
	line(b, "");
	for (size_t i = 0; i < n->nrcpts; i++)
		write_rcpt(b, n, &n->rcpts[i]);
}

/* The fields that stand on top in the queue file, the last one first. */
static void
collect_top(struct sbuf *b, const struct queuefile *q)
{
	size_t end = q->frames_len, pos, last;

	for (; end > 0; end = last) {
		struct frame f = { .tag = 0 };

		for (pos = last = 0; pos < end;) {
			last = pos;
			if (!queuefile_next(q, &pos, &f))
				return;
		}
		if (f.tag == 'H')
			sbuf_addspan(b, f.payload);
	}
}

/* A field that does not end in CRLF, or has a longer line, would break ours. */
static bool
fits(struct span field)
{
	size_t start = 0;

	for (size_t i = 0; i + 1 < field.n; i++) {
		if (field.p[i] != '\r' || field.p[i + 1] != '\n')
			continue;
		if (i - start > 998)
			return false;
		start = i + 2;
	}
	return start == field.n;
}

/* The header section as it came; what is longer than we keep is left out. */
static bool
collect_header(struct sbuf *b, const struct queuefile *q)
{
	struct header h;
	char chunk[8192];
	uint64_t at = 0;
	bool ok = true;

	collect_top(b, q);
	header_init(&h);
	while (!h.done && at < q->body_len && b->len < NOTICE_HEADERS) {
		uint64_t left = q->body_len - at;
		ssize_t n = pread(q->fd, chunk, left < sizeof(chunk) ?
		    (size_t)left : sizeof(chunk), (off_t)at);
		struct span in;

		ok = n > 0;
		if (!ok)
			break;
		at += (uint64_t)n;
		in = span_of(chunk, (size_t)n);
		while (in.n > 0) {
			size_t used;
			enum header_event e = header_push(&h, in, &used);

			in = span_skip(in, used);
			if (e == HEADER_END)
				break;
			if (e == HEADER_FIELD && !h.cut &&
			    fits(sbuf_span(&h.field)))
				sbuf_addspan(b, sbuf_span(&h.field));
		}
	}
	if (header_finish(&h) == HEADER_FIELD && !h.cut &&
	    fits(sbuf_span(&h.field)))
		sbuf_addspan(b, sbuf_span(&h.field));
	header_free(&h);
	return ok;
}

static bool
has_eightbit(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return true;
	return false;
}

bool
notice_write(struct sbuf *b, const struct notice *n, bool *eightbit)
{
	struct sbuf original;
	bool ok;

	sbuf_init(&original, NOTICE_MAX);
	ok = collect_header(&original, n->original) && !original.bad;
	if (ok) {
		*eightbit = has_eightbit(sbuf_span(&original));
		write_header(b, n, *eightbit);
		write_words(b, n);
		write_status(b, n);
		part(b, n, "text/rfc822-headers");
		if (*eightbit)
			line(b, "Content-Transfer-Encoding: 8bit");
		line(b, "");
		sbuf_addspan(b, sbuf_span(&original));
		sbuf_adds(b, "\r\n--");
		boundary(b, n);
		line(b, "--");
		ok = !b->bad;
		if (!ok)
			errno = ENOMEM;
	}
	sbuf_free(&original);
	return ok;
}
