/* SPDX-License-Identifier: ISC */
/*
 * Replies of another server: the same however they are cut, bounded, and
 * printable. The first octet of the input is where it is cut.
 */
#include <stdlib.h>

#include "../../smtpd-send/remote/remote-answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_text(const struct answer *a)
{
	struct span rest = sbuf_span(&a->text);

	must(!a->text.bad && rest.n <= ANSWER_KEPT);
	for (size_t i = 0; i < rest.n; i++)
		must(rest.p[i] == '\n' ||
		    (rest.p[i] >= ' ' && rest.p[i] <= '~'));
	while (rest.n > 0) {
		size_t n = rest.n;

		(void)answer_line(&rest);
		must(rest.n < n);
	}
}

/* One reply, given in pieces of at most this many octets. */
static enum answer_event
hear(struct answer *a, struct span in, size_t piece, size_t *taken)
{
	enum answer_event e = ANSWER_MORE;

	*taken = 0;
	answer_reset(a);
	while (in.n > 0 && e == ANSWER_MORE) {
		size_t n = piece < in.n ? piece : in.n, used = 0;

		e = answer_push(a, span_of(in.p, n), &used);
		must(used <= n && (used == n || e != ANSWER_MORE));
		*taken += used;
		in = span_skip(in, used);
	}
	must(*taken <= ANSWER_LIMIT + 1);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct answer whole, cut;
	enum answer_event e = ANSWER_WHOLE;

	if (size == 0)
		return 0;
	in = span_skip(in, 1);
	answer_init(&whole);
	answer_init(&cut);
	while (in.n > 0 && e == ANSWER_WHOLE) {
		size_t used, again;

		e = hear(&whole, in, in.n, &used);
		must(hear(&cut, in, data[0] % 7 + 1U, &again) == e);
		check_text(&whole);
		if (e == ANSWER_WHOLE) {
			must(used == again && whole.code == cut.code);
			must(whole.code >= 200 && whole.code <= 599);
			must(span_eq(sbuf_span(&whole.text),
			    sbuf_span(&cut.text)));
		}
		in = span_skip(in, used);
	}
	answer_free(&whole);
	answer_free(&cut);
	return 0;
}
