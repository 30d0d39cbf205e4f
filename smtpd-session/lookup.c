/* SPDX-License-Identifier: ISC */
/* The session's side of the conversation with smtpd-rcpt. */
#include "helper.h"
#include "log.h"
#include "lookup.h"
#include "reply.h"

void
lookup_open(struct lookup *l, const struct conf *conf)
{
	int fd = helper_open(conf->rcpt, conf);

	l->patience = conf->helper_timeout * 1000;
	l->link = fd == -1 ? LINK_NEVER : LINK_UP;
	if (fd == -1)
		warn_sys("cannot open rcpt '%s'", conf->rcpt);
	chan_init(&l->chan, fd, fd);
}

/* The stream is of no more use: a late answer would meet the next question. */
static enum lookup_verdict
lost(struct lookup *l, const char *why)
{
	warn("rcpt: %s", why);
	chan_close(&l->chan);
	l->link = LINK_LOST;
	return LOOKUP_FAILED;
}

enum lookup_verdict
lookup_ask(struct lookup *l, struct span path, struct span *text)
{
	instant deadline = clock_in(l->patience);
	struct frame f;
	enum io r;

	if (l->link != LINK_UP)
		return LOOKUP_FAILED;
	r = chan_send(&l->chan, 'Q', path, deadline);
	if (r == IO_OK)
		r = chan_flush(&l->chan, deadline);
	/* Who cannot write may still find an answer to read. */
	if (r != IO_TIMEOUT)
		r = chan_recv(&l->chan, &f, deadline);
	if (r != IO_OK)
		return lost(l, r == IO_TIMEOUT ? "no answer in time" :
		    r == IO_EOF ? "closed without an answer" :
		    "the conversation broke");
	if (f.tag == 'K')
		return LOOKUP_YES;
	if ((f.tag != 'X' && f.tag != 'Z') ||
	    !reply_is(f.payload, f.tag == 'X' ? '5' : '4'))
		return lost(l, "an answer that is none");
	*text = f.payload;
	return LOOKUP_REFUSED;
}
