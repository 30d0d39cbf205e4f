/* SPDX-License-Identifier: ISC */
/* A queue file of any octets: it is never read beyond what it holds. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queuefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char id[] = "0006123456789adeadbeef";

static void
must(bool good)
{
	if (!good)
		abort();
}

/*
 * Half of the runs get a true footer, so that the frames are looked at: the
 * first octet says so, the second how much of the rest is body.
 */
static void
build(struct sbuf *b, struct span data, bool *committed)
{
	char footer[QUEUEFILE_FOOTER];
	struct queuefile q = { .nonce = 1 };
	struct span frames;

	*committed = data.n >= 2 && (data.p[0] & 1) != 0;
	if (!*committed) {
		sbuf_addspan(b, span_skip(data, 1));
		return;
	}
	memcpy(q.id, id, sizeof(q.id));
	frames = span_skip(data, 2);
	q.body_len = (unsigned char)data.p[1] % (frames.n + 1);
	q.body_crc = crc32c(0, frames.p, q.body_len);
	q.frames_len = (uint32_t)(frames.n - q.body_len);
	queuefile_footer(footer, &q,
	    crc32c(0, frames.p + q.body_len, q.frames_len));
	sbuf_addspan(b, frames);
	sbuf_add(b, footer, sizeof(footer));
}

static void
read_frames(const struct queuefile *q, size_t size)
{
	struct frame f;
	size_t pos = 0;

	must(q->body_len + q->frames_len + QUEUEFILE_FOOTER == size);
	while (queuefile_next(q, &pos, &f))
		must(f.payload.p >= q->frames &&
		    f.payload.p + f.payload.n <= q->frames + q->frames_len);
	must(pos == q->frames_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct queuefile q;
	struct sbuf b;
	bool committed;
	int fd = memfd_create("queuefile", MFD_CLOEXEC);

	sbuf_init(&b, 1 << 20);
	build(&b, span_of(data, size), &committed);
	must(fd != -1 && write(fd, b.s, b.len) == (ssize_t)b.len &&
	    fchmod(fd, 0400) == 0);
	switch (queuefile_open(&q, fd, id)) {
	case QUEUEFILE_OK:
		read_frames(&q, b.len);
		queuefile_close(&q);
		break;
	case QUEUEFILE_TORN:
		must(!committed);
		break;
	case QUEUEFILE_CORRUPT:
		break;
	case QUEUEFILE_IOERR:
		abort();
	}
	close(fd);
	sbuf_free(&b);
	return 0;
}
