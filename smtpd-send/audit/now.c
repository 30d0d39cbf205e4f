/* SPDX-License-Identifier: ISC */
/* What the queue says of one message right now. */
#include "now.h"

#include <stdio.h>

#include "queued.h"
#include "show.h"
#include "stamp.h"

static void
show_summary(const struct queued *q)
{
	struct sbuf b;

	sbuf_init(&b, 1024);
	if (q->tries == 0)
		sbuf_adds(&b, "no try has ended");
	else
		sbuf_addf(&b, "%u %s", q->tries,
		    q->tries == 1 ? "try" : "tries");
	if (q->kept != 0) {
		sbuf_addf(&b, ", held by %s", q->text.s + q->kept);
	} else if (q->held != 0) {
		sbuf_addf(&b, ", held: %s", q->text.s + q->held);
	} else if (q->tries > 0) {
		sbuf_adds(&b, ", the next is due ");
		stamp_add(&b, q->next * 1000000);
		sbuf_truncate(&b, b.len - sizeof(".000") + 1);
	}
	show_head("queue", sbuf_span(&b));
	sbuf_free(&b);
}

static void
show_rcpt(const struct queued *q, const struct queued_rcpt *r)
{
	static const char *const states[] = {
		[QUEUED_WAITING] = "waits",
		[QUEUED_FAILED] = "failed",
		[QUEUED_DELIVERED] = "delivered",
		[QUEUED_BOUNCED] = "told by",
	};
	size_t reply = r->state == QUEUED_BOUNCED ? r->notice : r->reply;

	if (r->expanded)
		return; /* those that it stands for are shown */
	show_columns(r->time * 1000000, states[r->state],
	    queued_address(queued_text(q, r->target)));
	if (queued_text(q, reply).n > 0)
		show_reply(queued_text(q, reply));
}

enum now
now_show(int dir, const char *id)
{
	struct queued q;

	switch (queued_read(&q, dir, id)) {
	case QUEUED_OK:
		show_summary(&q);
		for (size_t i = 0; i < q.n; i++)
			show_rcpt(&q, &q.rcpts[i]);
		queued_free(&q);
		return NOW_SHOWN;
	case QUEUED_RECEIVING:
		show_head("queue", SPAN("it is being received"));
		return NOW_SHOWN;
	case QUEUED_TORN:
		show_head("queue", SPAN("its file was never complete"));
		return NOW_SHOWN;
	case QUEUED_CORRUPT:
		show_head("queue", SPAN("its file is damaged"));
		return NOW_SHOWN;
	case QUEUED_GONE:
		return NOW_GONE;
	case QUEUED_IOERR:
		break;
	}
	return NOW_FAILED;
}
