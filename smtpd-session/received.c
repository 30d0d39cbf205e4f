/* SPDX-License-Identifier: ISC */
/* Composes the Received field. */
#include "address.h"
#include "clock.h"
#include "received.h"

#define LINE_WIDTH 78 /* RFC 5322 2.1.1 */

struct fold {
	struct sbuf *out;
	size_t column;
};

static void
received_fold(struct fold *f)
{
	f->column = LINE_WIDTH;
}

/*
 * Adds a word behind a blank, or on a line of its own where it would not fit
 * with a semicolon behind it.
 */
static void
received_word(struct fold *f, struct span w)
{
	if (f->column + 1 + w.n + 1 > LINE_WIDTH) {
		sbuf_adds(f->out, "\r\n\t");
		f->column = 0;
	} else {
		sbuf_putc(f->out, ' ');
	}
	sbuf_addspan(f->out, w);
	f->column += 1 + w.n;
}

/*
 * Clients say anything in HELO. A domain or a literal is kept as it is. Of
 * anything else only octets of an atom are kept, so that no comment, quote or
 * further field can begin in it.
 */
static struct span
received_helo(struct span helo, char mem[ADDRESS_DOMAIN_MAX])
{
	bool literal = address_is_literal(helo);
	size_t n = helo.n < ADDRESS_DOMAIN_MAX ? helo.n : ADDRESS_DOMAIN_MAX;

	if (n == 0)
		return SPAN("unknown");
	for (size_t i = 0; i < n; i++) {
		char c = helo.p[i];
		bool fine = ascii_isalnum(c) || c == '-' || c == '.' ||
		    c == '_';

		if (literal)
			fine = fine || c == '[' || c == ']' || c == ':';
		mem[i] = fine ? c : '?';
	}
	return span_of(mem, n);
}

static void
received_from(struct fold *f, const struct received *r)
{
	char helo[ADDRESS_DOMAIN_MAX], ip[IP_TEXT];
	char mem[IP_TEXT + sizeof("([IPv6:])")];
	struct sbuf tcp_info = SBUF_IN(mem);

	ip_text(r->ip, ip);
	if (r->ip->size == 0)
		sbuf_adds(&tcp_info, "(unknown)");
	else
		sbuf_addf(&tcp_info, "([%s%s])",
		    r->ip->size == 16 ? "IPv6:" : "", ip);
	received_word(f, SPAN("from"));
	received_word(f, received_helo(r->helo, helo));
	received_word(f, sbuf_span(&tcp_info));
}

void
received_field(struct sbuf *b, const struct received *r)
{
	struct fold f = { .out = b, .column = sizeof("Received:") - 1 };
	char mem[64], tlsmem[128];
	struct sbuf tls = SBUF_IN(tlsmem);
	struct sbuf date = SBUF_IN(mem);

	sbuf_adds(b, "Received:");
	if (!r->hidden) {
		received_from(&f, r);
		received_fold(&f);
	}
	received_word(&f, SPAN("by"));
	received_word(&f, span_str(r->host));
	received_word(&f, SPAN("(smtpd)"));
	received_word(&f, SPAN("with"));
	received_word(&f, span_str(r->protocol));
	if (*r->tls != '\0') {
		sbuf_addf(&tls, "(%s)", r->tls);
		received_word(&f, sbuf_span(&tls));
	}
	received_word(&f, SPAN("id"));
	received_word(&f, span_str(r->id));
	if (r->path.n > 0) {
		received_fold(&f);
		received_word(&f, SPAN("for"));
		received_word(&f, r->path);
	}
	sbuf_putc(b, ';');
	f.column++;
	clock_date(&date, r->time);
	received_word(&f, sbuf_span(&date));
	sbuf_adds(b, "\r\n");
}
