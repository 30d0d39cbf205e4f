/* SPDX-License-Identifier: ISC */
/* The session's side of the injection conversation. */
#include "helper.h"
#include "inject.h"
#include "log.h"
#include "reply.h"

#define FACT_MAX 512

void
inject_open(struct inject *i, const struct conf *conf)
{
	int fd = helper_open(conf->injector, conf);

	i->patience = conf->helper_timeout * 1000;
	i->owed = 0;
	i->link = fd == -1 ? LINK_NEVER : LINK_UP;
	if (fd == -1)
		warn_sys("cannot open injector '%s'", conf->injector);
	chan_init(&i->chan, fd, fd);
}

/*
 * The descriptor stays open: whoever could not be written to may have left
 * an answer, which inject_commit reads before it concludes anything.
 */
static void
lost(struct inject *i, const char *why)
{
	if (i->link == LINK_UP)
		warn("injector: %s", why);
	i->link = LINK_LOST;
}

static void
sent(struct inject *i, enum io r)
{
	if (r != IO_OK)
		lost(i, r == IO_TIMEOUT ? "does not read" : "cannot write");
}

static instant
deadline(const struct inject *i)
{
	return clock_in(i->patience);
}

void
inject_add(struct inject *i, char tag, struct span payload)
{
	if (i->link != LINK_UP)
		return;
	if (tag == 'S') {
		i->owed++;
		i->id[0] = '\0';
	}
	sent(i, chan_send(&i->chan, tag, payload, deadline(i)));
}

void
inject_fact(struct inject *i, const char *name, struct span value, int fd)
{
	char mem[FACT_MAX];
	struct sbuf fact = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	if (i->link != LINK_UP)
		return;
	sbuf_adds(&fact, name);
	sbuf_putc(&fact, '=');
	sbuf_addspan(&fact, value);
	if (fd == -1)
		inject_add(i, 'C', sbuf_span(&fact));
	else
		sent(i, chan_send_fd(&i->chan, 'C', sbuf_span(&fact), fd,
		    deadline(i)));
}

void
inject_flush(struct inject *i)
{
	if (i->link == LINK_UP)
		sent(i, chan_flush(&i->chan, deadline(i)));
}

/*
 * The next frame. False: there is none, and the link is lost. On a lost one
 * only what has come already counts.
 */
static bool
receive(struct inject *i, struct frame *f)
{
	enum io r = chan_recv(&i->chan, f,
	    i->link == LINK_UP ? deadline(i) : 0);

	if (r != IO_OK)
		lost(i, r == IO_TIMEOUT ? "no answer in time" :
		    r == IO_EOF ? "closed without an answer" :
		    "the conversation broke");
	return r == IO_OK;
}

bool
inject_id(struct inject *i)
{
	struct frame f;

	/* Those of abandoned messages come first. */
	while (i->owed > 0 && i->link == LINK_UP) {
		if (!receive(i, &f))
			return false;
		if (f.tag != 'I' || !queue_id_valid(f.payload)) {
			lost(i, "an id that is none");
			return false;
		}
		i->owed--;
		memcpy(i->id, f.payload.p, QUEUE_ID_LEN);
		i->id[QUEUE_ID_LEN] = '\0';
	}
	return i->link == LINK_UP;
}

/* Whether we could write to the end does not matter: the answer counts. */
static enum inject_verdict
verdict(struct inject *i, struct span *text)
{
	struct frame f;

	do
		if (!receive(i, &f))
			return INJECT_FAILED;
	while (f.tag == 'I');
	if (f.tag == 'K' && i->link == LINK_UP &&
	    span_eq(f.payload, span_str(i->id)))
		return INJECT_TAKEN;
	*text = f.payload;
	if ((f.tag == 'Z' && reply_is(f.payload, '4')) ||
	    (f.tag == 'X' && reply_is(f.payload, '5')))
		return INJECT_REFUSED;
	lost(i, "an answer that is none");
	return INJECT_FAILED;
}

enum inject_verdict
inject_commit(struct inject *i, struct span *text)
{
	enum inject_verdict v = INJECT_FAILED;

	inject_add(i, 'E', SPAN(""));
	inject_flush(i);
	if (i->chan.in.fd != -1)
		v = verdict(i, text);
	/* A late answer would be taken for the next message's. */
	if (i->link != LINK_UP)
		chan_close(&i->chan);
	return v;
}

void
inject_abandon(struct inject *i)
{
	inject_add(i, 'A', SPAN(""));
	inject_flush(i);
	if (i->link != LINK_UP)
		chan_close(&i->chan);
}
