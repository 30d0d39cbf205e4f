/* SPDX-License-Identifier: ISC */
/*
 * Whatever a queue file holds, what leaves after DATA is one message: our own
 * receiver finds its end at the end, no bare CR or LF before it, and takes
 * from it what was put in, each bare one as a line end. The first octet of the
 * input is where it is cut.
 */
#include <stdlib.h>

#include "../../smtpd-send/remote/remote-mail.h"
#include "dot.h"
#include "sbuf.h"

#define ROOM (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
send_all(struct span in, size_t piece, struct outbuf *out)
{
	struct stuff s = { 0 };

	while (in.n > 0) {
		size_t n = piece < in.n ? piece : in.n;

		must(stuff_add(&s, out, span_of(in.p, n), NEVER) == IO_OK);
		in = span_skip(in, n);
	}
	must(stuff_finish(&s, out, NEVER) == IO_OK);
	must(outbuf_add(out, ".\r\n", 3, NEVER) == IO_OK);
}

static void
receive(struct span in, struct sbuf *got)
{
	struct dot d = { 0 };
	enum dot_event e = DOT_MORE;

	while (in.n > 0) {
		struct span run = { "", 0 };
		size_t used;

		must(e == DOT_MORE || e == DOT_RUN);
		e = dot_push(&d, in, &used, &run);
		must(e != DOT_BAD);
		sbuf_addspan(got, run);
		in = span_skip(in, used);
	}
	must(e == DOT_END);
}

/* What should arrive. */
static void
repair(struct span in, struct sbuf *want)
{
	for (size_t i = 0; i < in.n; i++) {
		bool cr = in.p[i] == '\r';

		if (!cr && in.p[i] != '\n') {
			sbuf_putc(want, in.p[i]);
			continue;
		}
		if (cr && i + 1 < in.n && in.p[i + 1] == '\n')
			i++;
		sbuf_add(want, "\r\n", 2);
	}
	if (want->len > 0 && want->s[want->len - 1] != '\n')
		sbuf_add(want, "\r\n", 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char mem[ROOM];
	struct span in = { (const char *)data, size };
	struct sbuf want, got;
	struct outbuf out;

	/* A NUL would leave as it is; none is ever let in. */
	if (size == 0 || size > ROOM / 4 || memchr(data, '\0', size) != NULL)
		return 0;
	in = span_skip(in, 1);
	outbuf_init(&out, -1, mem, sizeof(mem));
	sbuf_init(&want, ROOM);
	sbuf_init(&got, ROOM);
	send_all(in, data[0] % 7 + 1U, &out);
	receive(span_of(out.buf, out.len), &got);
	repair(in, &want);
	must(!want.bad && span_eq(sbuf_span(&want), sbuf_span(&got)));
	sbuf_free(&want);
	sbuf_free(&got);
	return 0;
}
