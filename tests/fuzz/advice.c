/* SPDX-License-Identifier: ISC */
/* An adviser gone mad: what is taken of it stays within its rights and the
 * text, and what goes on top is whole printable fields. */
#include <stdlib.h>

#include "../../smtpd-queue/advice.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_text(const struct changes *c)
{
	uint64_t end = 0;
	size_t put = 0;

	must(c->n <= CHANGES_MAX && c->octets.len <= CHANGES_PUT_MAX);
	for (unsigned i = 0; i < c->n; i++) {
		struct change one = changes_get(c, i);

		must(one.at >= end && one.at <= c->length);
		must(one.deleted <= c->length - one.at);
		must((one.deleted > 0) != (one.put_len > 0));
		must(one.put == put);
		must(one.deleted == 0 || (c->rights & CHANGES_DELETE) != 0);
		must(one.put_len == 0 || (c->rights & CHANGES_PUT) != 0);
		end = one.at + one.deleted;
		put += one.put_len;
	}
	must(put == c->octets.len);
}

/* Every line begins a field, or goes on with one. */
static void
check_fields(struct span lines)
{
	bool first = true;

	must(lines.n > 0);
	while (lines.n > 0) {
		struct span line = span_cut(&lines, '\n');
		size_t colon = span_find(line, ':');

		must(line.n > 1 && line.n <= 998 + 1);
		must(line.p[line.n - 1] == '\r');
		line.n--;
		for (size_t i = 0; i < line.n; i++)
			must(line.p[i] == '\t' ||
			    (line.p[i] >= ' ' && line.p[i] <= '~'));
		must(span_trim(line).n > 0);
		if (ascii_isblank(line.p[0]))
			must(!first);
		else
			must(colon > 0 && colon < line.n);
		first = false;
	}
}

static void
check_frames(const struct changes *c)
{
	struct span rest = sbuf_span(&c->frames);
	struct frame f;
	size_t used;
	bool junk = false;

	while (rest.n > 0) {
		must(frame_parse(rest, &f, &used) == FRAME_READY);
		rest = span_skip(rest, used);
		if (f.tag == 'H') {
			must((c->rights & CHANGES_TOP) != 0);
			check_fields(f.payload);
			continue;
		}
		must(f.tag == 'M' && span_eq(f.payload, SPAN("junk")));
		must((c->rights & CHANGES_MARK) != 0 && !junk);
		junk = true;
	}
	must(junk == c->junk);
}

/* An octet of rights, two of the length of the text, and frames. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct changes c;
	struct span rest;
	struct frame f;
	size_t used;

	if (n < 3)
		return 0;
	if (c.list.s == NULL)
		changes_init(&c);
	changes_reset(&c, data[0], (uint64_t)(data[1] << 8 | data[2]));
	rest = span_of(data + 3, n - 3);
	while (frame_parse(rest, &f, &used) == FRAME_READY) {
		rest = span_skip(rest, used);
		if (!changes_take(&c, &f)) {
			must(c.why != NULL);
			return 0;
		}
	}
	check_text(&c);
	check_frames(&c);
	return 0;
}
