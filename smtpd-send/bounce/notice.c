/* SPDX-License-Identifier: ISC */
/* A delivery status notification, RFC 3464, as text. */
#include "notice.h"

#include <errno.h>

#include "clock.h"
#include "text.h"

static void
line(struct sbuf *b, const char *s)
{
	sbuf_adds(b, s);
	sbuf_adds(b, "\r\n");
}

static void
add_seconds(struct sbuf *b, const char *name, uint64_t when)
{
	sbuf_adds(b, name);
	clock_date(b, (time_t)when);
	line(b, "");
}

static uint64_t
born(const struct notice *n)
{
	return queue_id_time(n->original->id) / 1000000;
}

/* The path without its angle brackets. */
static struct span
bare(struct span path)
{
	return path.n >= 2 && path.p[0] == '<' ?
	    span_of(path.p + 1, path.n - 2) :
	    path;
}

static bool
has_host(const struct notice_rcpt *r)
{
	return !span_eq(r->host, SPAN("-"));
}

/* A recipient's share: the whole reply, unless there are very many of them. */
static struct span
reply(const struct notice *n, const struct notice_rcpt *r)
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
is_status(struct span s)
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
	if (is_status(code) && code.p[0] == class) {
		sbuf_addspan(b, code);
		return;
	}
	sbuf_putc(b, class);
	sbuf_adds(b, ".0.0");
}

static void
boundary(struct sbuf *b, const struct notice *n)
{
	sbuf_adds(b, "=_");
	sbuf_adds(b, n->id);
}

/* One part of the report, encoded when it has to be. */
static void
part(struct sbuf *b, const struct notice *n, const char *type, struct span text)
{
	bool plain = text_is_plain(text);

	sbuf_adds(b, "\r\n--");
	boundary(b, n);
	sbuf_adds(b, "\r\nContent-Type: ");
	line(b, type);
	if (!plain)
		line(b, "Content-Transfer-Encoding: quoted-printable");
	line(b, "");
	if (plain)
		sbuf_addspan(b, text);
	else
		text_quoted_printable(b, text);
}

static void
write_header(struct sbuf *b, const struct notice *n)
{
	static const char *const subjects[] = {
		[NOTICE_FAILED] = "Undelivered mail returned to sender",
		[NOTICE_DELAYED] = "Delayed mail, still being tried",
		[NOTICE_HELD] = "Held mail: its delivery crashes",
	};

	add_seconds(b, "Date: ", clock_wall_us() / 1000000);
	sbuf_adds(b, "From: Mail Delivery System <MAILER-DAEMON@");
	sbuf_addspan(b, n->domain);
	sbuf_adds(b, ">\r\nTo: ");
	sbuf_addspan(b, n->to);
	sbuf_addf(b, "\r\nMessage-ID: <%s.notice@%s>\r\n", n->id,
	    n->conf->hostname);
	sbuf_adds(b, "Subject: ");
	line(b, subjects[n->kind]);
	line(b, "Auto-Submitted: auto-replied"); /* RFC 3834 5 */
	line(b, "MIME-Version: 1.0");
	sbuf_adds(b,
	    "Content-Type: multipart/report;\r\n"
	    "\treport-type=delivery-status;\r\n\tboundary=\"");
	boundary(b, n);
	line(b, "\"");
	line(b, "");
	line(b, "This is a MIME-formatted report.");
}

static void
explain_rcpt(struct sbuf *b, const struct notice *n,
    const struct notice_rcpt *r)
{
	line(b, "");
	text_clean(b, r->path, TEXT_UTF8);
	if (r->original.n > 0) {
		sbuf_adds(b, ", to whom mail for ");
		text_clean(b, r->original, TEXT_UTF8);
		sbuf_adds(b, " goes");
	}
	line(b, ":");
	if (r->action == NOTICE_EXPIRED)
		line(b, " given up after many tries; the last answer was");
	if (r->action == NOTICE_ORDERED)
		line(b,
		    " given up by the operator of this mail server; "
		    "the last answer was");
	sbuf_putc(b, ' ');
	if (has_host(r)) {
		text_clean(b, r->host, TEXT_UTF8);
		sbuf_adds(b, " said:\r\n ");
	}
	text_fold(b, reply(n, r), TEXT_UTF8);
}

static void
explain(struct sbuf *b, const struct notice *n)
{
	static const char *const words[] = {
		[NOTICE_FAILED] = "Your message could not be delivered to the "
				  "recipients below. It will not\r\n"
				  "be tried again.",
		[NOTICE_DELAYED] = "Your message has not been delivered yet "
				   "to the recipients below. You need\r\n"
				   "not send it again: it will be tried "
				   "further.",
		[NOTICE_HELD] = "The delivery of a message to the recipients "
				"below has crashed several times.\r\n"
				"It is held in the queue until you let it "
				"go, with smtpd-ctl(8), or it is too\r\n"
				"old; its sender will be told then, and "
				"has not been told yet.",
	};

	sbuf_addf(b, "This is the mail server at %s.\r\n\r\n",
	    n->conf->hostname);
	line(b, words[n->kind]);
	for (size_t i = 0; i < n->nrcpts; i++)
		explain_rcpt(b, n, &n->rcpts[i]);
}

static void
add_recipient(struct sbuf *b, const char *name, struct span path)
{
	sbuf_addf(b, "%s: rfc822; ", name);
	text_clean(b, bare(path), TEXT_ASCII);
	line(b, "");
}

/* RFC 3464 2.3. */
static void
state_rcpt(struct sbuf *b, const struct notice *n, const struct notice_rcpt *r)
{
	struct span host = span_of(r->host.p, span_find(r->host, '['));

	line(b, "");
	if (r->original.n > 0)
		add_recipient(b, "Original-Recipient", r->original);
	add_recipient(b, "Final-Recipient", r->path);
	line(b,
	    r->action == NOTICE_WAITS ? "Action: delayed" : "Action: failed");
	sbuf_adds(b, "Status: ");
	notice_status(b, r);
	line(b, "");
	if (has_host(r)) {
		sbuf_adds(b, "Remote-MTA: dns; ");
		text_clean(b, host.n > 0 ? host : r->host, TEXT_ASCII);
		line(b, "");
	}
	sbuf_adds(b, "Diagnostic-Code: smtp; ");
	text_fold(b, reply(n, r), TEXT_ASCII);
	if (r->action == NOTICE_WAITS)
		add_seconds(b,
		    "Will-Retry-Until: ", born(n) + n->conf->queue_lifetime);
}

static void
state(struct sbuf *b, const struct notice *n)
{
	sbuf_addf(b, "Reporting-MTA: dns; %s\r\nX-Queue-ID: %s\r\n",
	    n->conf->hostname, n->original->id);
	add_seconds(b, "Arrival-Date: ", born(n));
	for (size_t i = 0; i < n->nrcpts; i++)
		state_rcpt(b, n, &n->rcpts[i]);
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
		explain(&words, n);
		state(&status, n);
		write_header(b, n);
		part(b, n,
		    text_is_plain(sbuf_span(&words)) ?
			"text/plain; charset=us-ascii" :
			"text/plain; charset=utf-8",
		    sbuf_span(&words));
		part(b, n, "message/delivery-status", sbuf_span(&status));
		part(b, n, "text/rfc822-headers", sbuf_span(&original));
		sbuf_adds(b, "\r\n--");
		boundary(b, n);
		line(b, "--");
		ok = !b->bad && !words.bad && !status.bad;
		if (!ok)
			errno = ENOMEM;
	}
	sbuf_free(&original);
	sbuf_free(&words);
	sbuf_free(&status);
	return ok;
}
