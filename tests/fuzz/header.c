/* SPDX-License-Identifier: ISC */
/* A header section in pieces of any size gives the fields of one piece. */
#include <stdlib.h>

#include "header.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
add_field(struct sbuf *b, struct header *h, size_t *raw)
{
	struct span name = header_name(h), value;

	must(name.n > 0 && h->field.len <= HEADER_KEPT);
	must(h->cut == (h->length > HEADER_KEPT));
	*raw += h->length;
	sbuf_addspan(b, name);
	sbuf_putc(b, '=');
	value = header_value(h);
	must(span_find(value, '\n') == value.n);
	sbuf_addspan(b, value);
	sbuf_putc(b, '\n');
}

/* Appends what it finds; all octets are in fields, in the line, or body. */
static void
run(struct span text, size_t piece, struct sbuf *b)
{
	struct header h;
	size_t at = 0, raw = 0, used, n;
	enum header_event event = HEADER_MORE;

	header_init(&h);
	while (at < text.n && event != HEADER_END) {
		n = text.n - at;
		if (piece > 0 && n > piece)
			n = piece;
		event = header_push(&h, span_of(text.p + at, n), &used);
		must(used <= n && (event != HEADER_MORE || used == n));
		at += used;
		if (event == HEADER_FIELD)
			add_field(b, &h, &raw);
	}
	if (header_finish(&h) == HEADER_FIELD)
		add_field(b, &h, &raw);
	must(header_finish(&h) == HEADER_END);
	if (h.ended)
		must(h.field.len == 0 && text.p[at - 1] == '\n');
	else
		must(raw + h.field.len == at ||
		    (at == text.n && raw == text.n));
	sbuf_addf(b, "%d %zu", h.ended, at - h.field.len);
	header_free(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sbuf one, two;
	struct span text;

	if (size == 0)
		return 0;
	text = span_of(data + 1, size - 1);
	sbuf_init(&one, 1 << 20);
	sbuf_init(&two, 1 << 20);
	run(text, 0, &one);
	run(text, data[0], &two);
	must(span_eq(sbuf_span(&one), sbuf_span(&two)));
	sbuf_free(&one);
	sbuf_free(&two);
	return 0;
}
