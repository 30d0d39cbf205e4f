/* SPDX-License-Identifier: ISC */
/* Lines of a zone file (RFC 1035 5.1). */
#include "zone.h"

static void
add_string(struct sbuf *b, struct span s)
{
	sbuf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			sbuf_putc(b, '\\');
		sbuf_putc(b, s.p[i]);
	}
	sbuf_putc(b, '"');
}

void
zone_txt(struct sbuf *b, struct span name, struct span text)
{
	sbuf_addspan(b, name);
	sbuf_adds(b, ". IN TXT ");
	if (text.n <= ZONE_STRING_MAX) {
		add_string(b, text);
	} else {
		sbuf_putc(b, '(');
		while (text.n > 0) {
			size_t n = text.n < ZONE_STRING_MAX ? text.n :
							      ZONE_STRING_MAX;

			sbuf_adds(b, "\n\t");
			add_string(b, span_of(text.p, n));
			text = span_skip(text, n);
		}
		sbuf_adds(b, " )");
	}
	sbuf_putc(b, '\n');
}

void
zone_line(struct sbuf *b, struct span name, const char *type, struct span data)
{
	sbuf_addspan(b, name);
	sbuf_addf(b, ". IN %s ", type);
	sbuf_addspan(b, data);
	sbuf_putc(b, '\n');
}
