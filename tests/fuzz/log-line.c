/* SPDX-License-Identifier: ISC */
/* Reading the log back: no octets break it, what was written comes back. */
#include <stdlib.h>

#include "../../smtpd-send/audit/line.h"
#include "log.h"
#include "queuefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define ID "0660ee029bdfc00c7da957"

/* As a peer may put it into a value: it stays that one value. */
static void
write_and_read(const uint8_t *data, size_t size)
{
	static const struct span prefixes[] = { SPAN(""),
		SPAN("@4000000065f0c1a20a1b2c3d "),
		SPAN("Nov  6 01:02:03 host smtpd-send[7]: ") };
	struct span said = span_of(data, size < 500 ? size : 500), value;
	struct logline l;
	struct line line;
	struct sbuf text, back;
	uint64_t n;

	log_begin(&l, ID, "fuzz");
	log_span(&l, "reply", said);
	log_num(&l, "n", size);
	sbuf_init(&text, 8192);
	sbuf_init(&back, 8192);
	sbuf_addspan(&text, prefixes[size % nitems(prefixes)]);
	sbuf_add(&text, l.s, l.len);
	if (line_parse(sbuf_span(&text), &line) != LINE_EVENT ||
	    !span_eq(line.id, SPAN(ID)) || !line_is(&line, progname, "fuzz") ||
	    !line_get(&line, "reply", &value) ||
	    !line_number(&line, "n", UINT64_MAX, &n) || n != size)
		abort();
	line_text(&back, value);
	if (!span_eq(sbuf_span(&back), said))
		abort();
	sbuf_free(&text);
	sbuf_free(&back);
}

static void
show_time(struct span prefix)
{
	struct sbuf b;

	sbuf_init(&b, 64);
	line_time_add(&b, line_time(prefix));
	if (b.len != LINE_TIME_LEN)
		abort();
	sbuf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size), fields, name, value;
	struct sbuf text;
	struct line l;

	write_and_read(data, size);
	show_time(rest);
	while (rest.n > 0) {
		if (line_parse(span_cut(&rest, '\n'), &l) != LINE_EVENT)
			continue;
		if (!queue_id_valid(l.id) && !span_eq(l.id, SPAN("-")))
			abort();
		for (fields = l.fields; line_next(&fields, &name, &value);) {
			sbuf_init(&text, 65536);
			line_text(&text, value);
			if (text.len > value.n)
				abort();
			sbuf_free(&text);
		}
		if (fields.n > 0)
			abort(); /* what was whole is taken to its end */
	}
	return 0;
}
