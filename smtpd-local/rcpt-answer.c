/* SPDX-License-Identifier: ISC */
/* Questions and answers of smtpd-rcpt: no input or output but the frames. */
#include "rcpt-answer.h"

/*
 * An empty mailbox_root is what an unmounted one looks like: nobody is
 * unknown while postmaster is not found either.
 */
static enum recipient_result
doubted(const struct alias_table *t, enum recipient_result r)
{
	struct span domain;

	if (r == RECIPIENT_UNKNOWN && t->conf->mailbox_root[0] != '\0' &&
	    rcpt_table_check(t, &domain) != RECIPIENT_OK)
		return RECIPIENT_CANNOT;
	return r;
}

static void
verdict(struct sbuf *out, enum recipient_result r)
{
	switch (r) {
	case RECIPIENT_OK:
		frame_add(out, 'K', SPAN(""));
		break;
	case RECIPIENT_UNKNOWN:
		frame_add(out, 'X', SPAN("550 5.1.1 No such mailbox"));
		break;
	case RECIPIENT_CANNOT:
		frame_add(out, 'Z',
		    SPAN("451 4.3.0 Recipient cannot be looked up now"));
		break;
	}
}

void
rcpt_answer(struct rcpt_table *t, const struct frame *f, struct sbuf *out)
{
	struct span rest = f->payload;
	enum recipient_result r;
	struct address a;

	if (f->tag >= 'a')
		return;
	if (f->tag != 'Q' && f->tag != 'L' && f->tag != 'J') {
		frame_add(out, 'X', SPAN("554 5.5.0 Unknown request"));
		return;
	}
	if (address_path(&rest, ADDRESS_FORWARD, &a) != ADDRESS_OK ||
	    rest.n > 0) {
		frame_add(out, 'X', SPAN("553 5.1.3 Bad recipient address"));
		return;
	}
	rcpt_table_refresh(t);
	if (f->tag == 'Q')
		r = recipient_known(&t->aliases, &a);
	else if (f->tag == 'L')
		r = recipient_expand(&t->aliases, &a, out);
	else
		r = recipient_expand_junk(&t->aliases, &a, out);
	verdict(out, doubted(&t->aliases, r));
}
