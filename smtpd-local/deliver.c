/* SPDX-License-Identifier: ISC */
/* Copies a message with trace fields on top, checking it on the way. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "deliver.h"
#include "header.h"

#define PIECE 65536

struct copy {
	int out;
	bool cr; /* a CR that may be half of a CRLF */
	uint32_t crc;
	struct header header;
	struct span address;
	size_t len;
	char buf[PIECE]; /* not yet written */
	char in[PIECE];
};

static bool
flush(struct copy *c)
{
	size_t done = 0;

	while (done < c->len) {
		ssize_t n = write(c->out, c->buf + done, c->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		done += (size_t)n;
	}
	c->len = 0;
	return true;
}

static bool
put(struct copy *c, struct span s)
{
	while (s.n > 0) {
		size_t n = sizeof(c->buf) - c->len;

		if (n > s.n)
			n = s.n;
		memcpy(c->buf + c->len, s.p, n);
		c->len += n;
		s = span_skip(s, n);
		if (c->len == sizeof(c->buf) && !flush(c))
			return false;
	}
	return true;
}

/* CRLF becomes LF, also when it is cut in two; a CR alone stays. */
static bool
put_lines(struct copy *c, struct span s)
{
	while (s.n > 0) {
		size_t n = span_find(s, '\r');

		if (c->cr && s.p[0] != '\n' && !put(c, SPAN("\r")))
			return false;
		if (!put(c, span_of(s.p, n)))
			return false;
		c->cr = n < s.n;
		s = span_skip(s, n + c->cr);
	}
	return true;
}

static bool
put_end(struct copy *c)
{
	bool cr = c->cr;

	c->cr = false;
	return !cr || put(c, SPAN("\r"));
}

/* Each of them stands above those that came before it. */
static bool
put_top(struct copy *c, const struct queuefile *q)
{
	struct span *tops = NULL;
	size_t n = 0, cap = 0, pos = 0;
	struct frame f;
	bool ok = true;

	while (ok && queuefile_next(q, &pos, &f)) {
		if (f.tag != 'H')
			continue;
		if (n == cap) {
			struct span *more;

			cap = cap == 0 ? 8 : cap * 2;
			more = realloc(tops, cap * sizeof(*tops));
			ok = more != NULL;
			tops = ok ? more : tops;
		}
		if (ok)
			tops[n++] = f.payload;
	}
	while (ok && n > 0)
		ok = put_lines(c, tops[--n]) && put_end(c);
	free(tops);
	return ok;
}

static bool
is_loop(struct copy *c)
{
	struct span value;

	if (!span_ieq(header_name(&c->header), SPAN("Delivered-To")))
		return false;
	value = header_value(&c->header);
	if (span_starts(value, SPAN("<")) && value.p[value.n - 1] == '>')
		value = span_of(value.p + 1, value.n - 2);
	return span_ieq(value, c->address);
}

/* Looks for our own Delivered-To as long as the header section lasts. */
static bool
finds_loop(struct copy *c, struct span s)
{
	size_t used;

	for (;;) {
		switch (header_push(&c->header, s, &used)) {
		case HEADER_MORE:
		case HEADER_END:
			return false;
		case HEADER_FIELD:
			if (is_loop(c))
				return true;
			s = span_skip(s, used);
		}
	}
}

static enum deliver_result
copy_message(struct copy *c, const struct queuefile *q)
{
	uint64_t at = 0;

	while (at < q->body_len) {
		uint64_t left = q->body_len - at;
		ssize_t n = pread(q->fd, c->in,
		    left < sizeof(c->in) ? (size_t)left : sizeof(c->in),
		    (off_t)at);
		struct span s;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return DELIVER_UNREADABLE;
		if (n == 0)
			return DELIVER_DAMAGED; /* shorter than it was */
		s = span_of(c->in, (size_t)n);
		c->crc = crc32c(c->crc, s.p, s.n);
		if (finds_loop(c, s))
			return DELIVER_LOOP;
		if (!put_lines(c, s))
			return DELIVER_UNWRITABLE;
		at += (uint64_t)n;
	}
	if (header_finish(&c->header) == HEADER_FIELD && is_loop(c))
		return DELIVER_LOOP;
	if (!put_end(c) || !flush(c))
		return DELIVER_UNWRITABLE;
	return c->crc == q->body_crc ? DELIVER_OK : DELIVER_DAMAGED;
}

enum deliver_result
deliver_copy(const struct queuefile *q, struct span sender, struct span address,
    int out)
{
	static struct copy c; /* large, and touched as far as used only */
	enum deliver_result result = DELIVER_UNWRITABLE;

	c.out = out;
	c.len = c.crc = 0;
	c.cr = false;
	c.address = address;
	header_init(&c.header);
	if (put(&c, SPAN("Return-Path: ")) && put(&c, sender) &&
	    put(&c, SPAN("\nDelivered-To: ")) && put(&c, address) &&
	    put(&c, SPAN("\n")) && put_top(&c, q))
		result = copy_message(&c, q);
	header_free(&c.header);
	return result;
}
