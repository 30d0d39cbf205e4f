/* SPDX-License-Identifier: ISC */
/* What stands after a filter: frames go there, the verdict comes back. */
#include "downstream.h"

#include "log.h"

#define REPLY_MAX 8192

void
downstream_init(struct downstream *d, struct chan *chan,
    const struct conf *conf)
{
	*d = (struct downstream){ .chan = chan,
		.patience = conf->helper_timeout * 1000 };
	sbuf_init(&d->reply, REPLY_MAX);
}

void
downstream_forget(struct downstream *d)
{
	d->verdict = '\0';
	sbuf_reset(&d->reply);
}

static void
set_verdict(struct downstream *d, char tag, struct span reply)
{
	if (d->verdict != '\0')
		return;
	sbuf_reset(&d->reply);
	sbuf_addspan(&d->reply, reply);
	/* No memory for the id of a K: it is sent again, twice at worst. */
	d->verdict = d->reply.bad ? 'Z' : tag;
}

struct span
downstream_reply(const struct downstream *d)
{
	return d->reply.bad ? SPAN(LOCAL_ERROR) : sbuf_span(&d->reply);
}

static void
lose(struct downstream *d)
{
	struct frame f;

	if (d->lost)
		return;
	warn_sys("lost the program downstream");
	d->lost = true;
	while (chan_recv(d->chan, &f, clock_in(d->patience)) == IO_OK) {
		if (f.tag == 'Z' || f.tag == 'X')
			set_verdict(d, f.tag, f.payload);
	}
	set_verdict(d, 'Z', SPAN(LOCAL_ERROR));
}

void
downstream_pass(struct downstream *d, char tag, struct span payload)
{
	if (d->verdict == '\0' &&
	    chan_send(d->chan, tag, payload, clock_in(d->patience)) != IO_OK)
		lose(d);
}

void
downstream_pass_fd(struct downstream *d, char tag, struct span payload, int fd)
{
	if (d->verdict == '\0' &&
	    chan_send_fd(d->chan, tag, payload, fd, clock_in(d->patience)) !=
		IO_OK)
		lose(d);
}

void
downstream_flush(struct downstream *d)
{
	if (d->verdict == '\0' &&
	    chan_flush(d->chan, clock_in(d->patience)) != IO_OK)
		lose(d);
}

void
downstream_refuse(struct downstream *d, char tag, struct span reply)
{
	downstream_pass(d, 'A', SPAN(""));
	downstream_flush(d);
	set_verdict(d, tag, reply);
}

bool
downstream_hear_id(struct downstream *d, char id[QUEUE_ID_SIZE])
{
	struct frame f;

	downstream_flush(d);
	if (d->verdict != '\0')
		return false;
	if (chan_recv(d->chan, &f, clock_in(d->patience)) != IO_OK ||
	    f.tag != 'I' || !queue_id_valid(f.payload)) {
		lose(d);
		return false;
	}
	memcpy(id, f.payload.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	return true;
}

void
downstream_hear_verdict(struct downstream *d)
{
	struct frame f = { 0 };

	downstream_flush(d);
	if (d->verdict != '\0')
		return;
	if (chan_recv(d->chan, &f, clock_in(d->patience)) == IO_OK &&
	    (f.tag == 'K' || f.tag == 'Z' || f.tag == 'X'))
		set_verdict(d, f.tag, f.payload);
	else
		lose(d);
}
