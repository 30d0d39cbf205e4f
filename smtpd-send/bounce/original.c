/* SPDX-License-Identifier: ISC */
/* What a notice shows of the message that it is about: its header section. */
#include "header.h"
#include "notice.h"

#include <errno.h>
#include <unistd.h>

#define TOP_MAX 256 /* H frames that are looked at, the last ones */

/* The fields that stand on top in the queue file, the last one first. */
static void
add_top(struct sbuf *b, const struct queuefile *q)
{
	struct span top[TOP_MAX];
	struct frame f;
	size_t pos = 0, n = 0, kept;

	while (queuefile_next(q, &pos, &f))
		if (f.tag == 'H')
			top[n++ % TOP_MAX] = f.payload;
	for (kept = n < TOP_MAX ? n : TOP_MAX; kept > 0; kept--)
		if (b->len < NOTICE_HEADERS)
			sbuf_addspan(b, top[--n % TOP_MAX]);
}

static void
add_field(struct sbuf *b, const struct header *h)
{
	const struct sbuf *f = &h->field;

	if (f->bad)
		b->bad = true;
	if (h->cut || b->len >= NOTICE_HEADERS)
		return;
	sbuf_addspan(b, sbuf_span(f));
	if (f->len < 2 || memcmp(f->s + f->len - 2, "\r\n", 2) != 0)
		sbuf_adds(b, "\r\n");
}

/* False when that was the end of the section. */
static bool
add_fields(struct sbuf *b, struct header *h, struct span in)
{
	size_t used;

	for (;;) {
		switch (header_push(h, in, &used)) {
		case HEADER_FIELD:
			add_field(b, h);
			in = span_skip(in, used);
			break;
		case HEADER_MORE:
			return b->len < NOTICE_HEADERS;
		case HEADER_END:
			return false;
		}
	}
}

bool
notice_original(struct sbuf *b, const struct queuefile *q)
{
	struct header h;
	char chunk[8192];
	uint64_t at = 0;
	bool more = true, ok = true;

	add_top(b, q);
	header_init(&h);
	while (more && at < q->body_len) {
		uint64_t left = q->body_len - at;
		size_t want = left < sizeof(chunk) ? (size_t)left :
						     sizeof(chunk);
		ssize_t n = pread(q->fd, chunk, want, (off_t)at);

		ok = n > 0;
		if (!ok) {
			errno = n == 0 ? EIO : errno; /* it became shorter */
			break;
		}
		at += (uint64_t)n;
		more = add_fields(b, &h, span_of(chunk, (size_t)n));
	}
	if (ok && more && header_finish(&h) == HEADER_FIELD)
		add_field(b, &h);
	header_free(&h);
	if (b->bad)
		errno = ENOMEM;
	return ok && !b->bad;
}
