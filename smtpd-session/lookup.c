/* SPDX-License-Identifier: ISC */
/* The session's side of the conversation with smtpd-rcpt. */
#include "lookup.h"
#include "reply.h"

/* After that a late answer would be taken for the next question's. */
static enum lookup_verdict
failed(struct link *l)
{
	link_close(l);
	return LOOKUP_FAILED;
}

enum lookup_verdict
lookup_ask(struct link *l, struct span path, struct span *text)
{
	struct frame f;

	link_send(l, 'Q', path);
	link_flush(l);
	if (!link_receive(l, &f))
		return failed(l);
	if (f.tag == 'K')
		return LOOKUP_YES;
	*text = f.payload;
	if ((f.tag == 'Z' && reply_is(f.payload, '4')) ||
	    (f.tag == 'X' && reply_is(f.payload, '5')))
		return LOOKUP_REFUSED;
	link_lose(l, "an answer that is none");
	return failed(l);
}
