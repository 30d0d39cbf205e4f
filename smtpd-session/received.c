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
new_line(struct fold *f)
{
	f->column = LINE_WIDTH;
}

/*
 * Adds a word behind a blank, or on a line of its own where it would not fit
 * with a semicolon behind it.
 */
static void
word(struct fold *f, struct span w)
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
 * Clients say anything in HELO. A domain or a literal stands as it is; of
 * the rest only what an atom may hold, so that no comment, no quote and no
 * further field begins in it.
 */
static struct span
clean_helo(struct span helo, char mem[ADDRESS_DOMAIN_MAX])
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
from(struct fold *f, const struct received *r)
{
	char helo[ADDRESS_DOMAIN_MAX], ip[IP_TEXT];
	char mem[IP_TEXT + sizeof("([IPv6:])")];
	struct sbuf tcp_info = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	ip_text(r->ip, ip);
	if (r->ip->size == 0)
		sbuf_adds(&tcp_info, "(unknown)");
	else
		sbuf_addf(&tcp_info, "([%s%s])",
		    r->ip->size == 16 ? "IPv6:" : "", ip);
	word(f, SPAN("from"));
	word(f, clean_helo(r->helo, helo));
	word(f, sbuf_span(&tcp_info));
}

void
received_field(struct sbuf *b, const struct received *r)
{
	struct fold f = { .out = b, .column = sizeof("Received:") - 1 };
	char mem[64], tlsmem[128];
	struct sbuf tls = {
		.s = tlsmem, .cap = sizeof(tlsmem), .max = sizeof(tlsmem) - 1
	};
	struct sbuf date = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	sbuf_adds(b, "Received:");
	if (!r->hidden) {
		from(&f, r);
		new_line(&f);
	}
	word(&f, SPAN("by"));
	word(&f, span_str(r->host));
	word(&f, SPAN("(smtpd)"));
	word(&f, SPAN("with"));
	word(&f, span_str(r->protocol));
	if (*r->tls != '\0') {
		sbuf_addf(&tls, "(%s)", r->tls);
		word(&f, sbuf_span(&tls));
	}
	word(&f, SPAN("id"));
	word(&f, span_str(r->id));
	if (r->path.n > 0) {
		new_line(&f);
		word(&f, SPAN("for"));
		word(&f, r->path);
	}
	sbuf_putc(b, ';');
	f.column++;
	clock_date(&date, r->time);
	word(&f, sbuf_span(&date));
	sbuf_adds(b, "\r\n");
}
