/* SPDX-License-Identifier: ISC */
/*
 * Messages of strangers, in lines with CRLF as all are that come so far: no
 * octet is lost between fields and body.
 */
#include <stdlib.h>

#include "judge-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct sbuf again;

static void
on_field(void *context, struct span field, struct span name)
{
	(void)context;
	if (name.n == 0 || name.n > field.n)
		abort();
	sbuf_addspan(&again, field);
	sbuf_adds(&again, "\r\n");
}

static void
on_end(void *context)
{
	if (!((struct fields *)context)->malformed)
		sbuf_adds(&again, "\r\n");
}

static void
on_body(void *context, struct span s)
{
	(void)context;
	sbuf_addspan(&again, s);
}

static void
on_stray(void *context, struct span line)
{
	if (!((struct fields *)context)->malformed ||
	    memchr(line.p, '\n', line.n) != NULL)
		abort();
}

static const struct fields_sink sink = { on_field, on_end, on_body, on_stray };

/* Every LF of data as CRLF. */
static struct span
lines_of(struct sbuf *b, const uint8_t *data, size_t n)
{
	sbuf_reset(b);
	for (size_t i = 0; i < n; i++)
		if (data[i] == '\n')
			sbuf_adds(b, "\r\n");
		else if (data[i] != '\r')
			sbuf_putc(b, (char)data[i]);
	return sbuf_span(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct fields f;
	static struct sbuf message;
	size_t piece = n > 0 ? data[0] % 16 + 1 : 1;
	struct span text;

	if (f.sink == NULL) {
		sbuf_init(&again, 1 << 24);
		sbuf_init(&message, 1 << 24);
		fields_init(&f);
	}
	text = lines_of(&message, data + (n > 0), n - (n > 0));
	sbuf_reset(&again);
	fields_begin(&f, &sink, &f);
	for (size_t i = 0; i < text.n; i += piece)
		fields_push(&f,
		    span_of(text.p + i,
			text.n - i < piece ? text.n - i : piece));
	fields_end(&f);
	/* A text that ends within its header gets the ends that it lacks. */
	if (!f.too_large &&
	    (again.len < text.n || memcmp(again.s, text.p, text.n) != 0))
		abort();
	return 0;
}
