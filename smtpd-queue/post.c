/* SPDX-License-Identifier: ISC */
/* sendmail's side of the injection conversation: one message. */
#include "post.h"

#include <errno.h>

#include "envelope.h"
#include "frame.h"
#include "sendmail-letter.h"

static struct chan chan;
static struct chan_room room;

struct line {
	const struct conf *conf;
	struct sbuf payload;
	bool ok;
};

static void
say(struct line *l, char tag, struct span payload)
{
	instant deadline = clock_in(l->conf->helper_timeout * 1000);

	if (l->ok)
		l->ok = chan_send(&chan, tag, payload, deadline) == IO_OK;
}

/* Says what stands in l->payload, and empties that. */
static void
say_payload(struct line *l, char tag)
{
	if (l->payload.bad) {
		errno = ENOMEM;
		l->ok = false;
	}
	say(l, tag, sbuf_span(&l->payload));
	sbuf_reset(&l->payload);
}

static void
say_envelope(struct line *l, const struct post *p)
{
	struct span rest = p->recipients, to;

	say(l, 'C', SPAN("version=1"));
	say(l, 'C', SPAN("protocol=local"));
	if (p->name != NULL && *p->name != '\0') {
		sbuf_addf(&l->payload, "name=%s", p->name);
		say_payload(l, 'C');
	}
	sbuf_putc(&l->payload, '<');
	sbuf_addspan(&l->payload, p->sender);
	sbuf_adds(&l->payload, ">");
	if (p->body != NULL)
		sbuf_addf(&l->payload, " %s", p->body);
	say_payload(l, 'S');
	while ((to = letter_recipients_next(&rest)).n > 0) {
		size_t at = span_rfind(to, '@');

		sbuf_adds(&l->payload,
		    conf_has_domain(l->conf->local_domains,
			span_skip(to, at + 1)) ?
			"local <" :
			"remote <");
		sbuf_addspan(&l->payload, to);
		sbuf_putc(&l->payload, '>');
		say_payload(l, 'R');
	}
}

static void
say_text(struct line *l, struct span text)
{
	while (text.n > 0) {
		size_t n = text.n < FRAME_PAYLOAD_MAX ? text.n :
							FRAME_PAYLOAD_MAX;

		say(l, 'B', span_of(text.p, n));
		text = span_skip(text, n);
	}
}

/*
 * The verdict. Before it comes a greeting, which may wish to be asked: but no
 * client of ours waits for a word about one recipient.
 */
static enum post_result
hear(struct line *l, struct sbuf *answer)
{
	instant deadline = clock_in(l->conf->helper_timeout * 1000);
	struct frame f;
	enum io r;

	do
		r = chan_recv(&chan, &f, deadline);
	while (r == IO_OK && f.tag == 'W');
	if (r == IO_OK) {
		sbuf_addspan(answer, f.payload);
		if (f.tag == 'K')
			return POST_QUEUED;
		if (f.tag == 'Z')
			return POST_LATER;
		if (f.tag == 'X')
			return POST_REFUSED;
		errno = EPROTO;
	} else if (r != IO_ERROR) {
		errno = r == IO_TIMEOUT ? ETIMEDOUT : 0;
	}
	return POST_LOST;
}

enum post_result
post_send(const struct post *p, int fd, const struct conf *conf,
    struct sbuf *answer)
{
	struct line l = { .conf = conf, .ok = true };
	enum post_result r = POST_LOST;
	int saved;

	chan_init(&chan, &room, fd, fd);
	sbuf_init(&l.payload, FRAME_PAYLOAD_MAX);
	say_envelope(&l, p);
	say_text(&l, p->text);
	say(&l, 'E', SPAN(""));
	if (l.ok)
		l.ok = chan_flush(&chan,
			   clock_in(conf->helper_timeout * 1000)) == IO_OK;
	/* Who cannot be written to any more may have said why before. */
	if (l.ok || errno == EPIPE || errno == ECONNRESET)
		r = hear(&l, answer);
	saved = errno;
	sbuf_free(&l.payload);
	chan_close(&chan);
	errno = saved;
	return r;
}
