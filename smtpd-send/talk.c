/* SPDX-License-Identifier: ISC */
/* The frames of the delivery conversation, the scheduler's side. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "frame.h"
#include "log.h"
#include "transport.h"

/*
 * On its own, not in one call with what follows: a descriptor belongs to the
 * octets it is sent with, and smtpd-lspawn, which takes this frame and hands
 * on the rest, would be given it.
 */
static bool
talk_send_name(const struct slot *slot)
{
	return frame_say(slot->chan.out.fd, 'U', span_str(slot->dest->name));
}

static void
talk_add_recipient(struct sbuf *out, const struct rcpt *r)
{
	struct span address = rcpt_address(r);
	char text[600];
	int n = snprintf(text, sizeof(text), "%u %.*s", (unsigned)r->index,
	    (int)address.n, address.p);

	frame_add(out, 'R', span_of(text, (size_t)n));
}

static void
talk_add_message(struct sbuf *out, const struct rcpt *r)
{
	char text[QUEUE_ID_SIZE + 16];
	int n = snprintf(text, sizeof(text), "%s %u", r->job->message->id,
	    job_attempt(r->job));

	frame_add(out, 'D', span_of(text, (size_t)n));
	frame_add(out, 'S', job_sender(r->job));
	for (; r != NULL; r = r->also)
		talk_add_recipient(out, r);
	frame_add(out, 'E', span_of("", 0));
}

bool
talk_give(struct slot *slot, const struct rcpt *r, struct sbuf *out)
{
	struct iovec v;

	/* So few octets fit into a socket, or its reader is in trouble. */
	if (!slot->named && !talk_send_name(slot))
		return false;
	slot->named = true;
	sbuf_reset(out);
	talk_add_message(out, r);
	v = (struct iovec){ .iov_base = out->s, .iov_len = out->len };
	return !out->bad &&
	    io_send_fds(slot->chan.out.fd, &v, 1, &r->job->fd, 1,
		MSG_DONTWAIT) == (ssize_t)out->len;
}

static bool
talk_is_crash(uint32_t signal)
{
	static const int own_fault[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT,
		SIGFPE, SIGSYS };

	for (size_t i = 0; i < nitems(own_fault); i++)
		if (signal == (uint32_t)own_fault[i])
			return true;
	return false;
}

static enum heard_kind
talk_hear_death(struct span payload, struct heard *h)
{
	struct span rest = payload, name = span_cut(&rest, '=');
	uint32_t n;

	if (!span_u32(rest, 1000, &n))
		return HEARD_NONSENSE;
	if (span_eq(name, SPAN("signal")))
		h->crash = talk_is_crash(n);
	else if (span_eq(name, SPAN("exit")))
		h->crash = n == EXIT_BUG;
	else
		return HEARD_NONSENSE;
	(void)snprintf(h->how, sizeof(h->how), "%.*s", (int)payload.n,
	    payload.p);
	(void)snprintf(h->why, sizeof(h->why),
	    "451 4.3.0 the delivery died (%s)", h->how);
	return HEARD_DEATH;
}

/*
 * "INDEX STAGE HOST TEXT" of smtpd-local, or of smtpd-lspawn, which has seen
 * no message, TEXT alone. A stage is no number, an enhanced code begins with
 * one.
 */
static bool
talk_split_verdict(struct span payload, struct rcpt *parcel, struct heard *h)
{
	struct span rest = payload, number = span_cut(&rest, ' ');
	struct span stage = span_cut(&rest, ' ');
	struct outcome *o = &h->outcome;
	uint32_t n;

	h->rcpt = parcel;

	if (stage.n > 0 && ascii_isdigit(stage.p[0])) {
		o->stage = SPAN("lspawn");
		o->reply = payload;
		return o->verdict != VERDICT_DELIVERED;
	}
	if (!span_u32(number, UINT32_MAX, &n) || stage.n == 0)
		return false;
	while (h->rcpt != NULL && h->rcpt->index != n)
		h->rcpt = h->rcpt->also;
	if (h->rcpt == NULL)
		return false;
	o->stage = stage;
	o->host = span_cut(&rest, ' ');
	if (span_eq(o->host, SPAN("-")))
		o->host = span_of("", 0);
	o->reply = rest;
	return rest.n > 0;
}

static enum heard_kind
talk_hear_frame(const struct slot *slot, const struct frame *f, struct heard *h)
{
	switch (f->tag) {
	case 'K':
		h->outcome.verdict = VERDICT_DELIVERED;
		break;
	case 'Z':
		h->outcome.verdict = VERDICT_DEFERRED;
		break;
	case 'X':
		h->outcome.verdict = VERDICT_FAILED;
		break;
	case 'D':
		return talk_hear_death(f->payload, h);
	default:
		return HEARD_NONSENSE;
	}
	if (slot->ngiven == 0 ||
	    !talk_split_verdict(f->payload, slot->given[0], h))
		return HEARD_NONSENSE;
	h->outcome.tls = span_of(slot->tls, slot->tls_len);
	return HEARD_VERDICT;
}

/* A frame that may be ignored; the log uses one of them. */
static void
talk_keep_note(struct slot *slot, const struct frame *f)
{
	size_t n = f->payload.n;

	if (f->tag != 't')
		return;
	slot->tls_len = n < sizeof(slot->tls) ? n : sizeof(slot->tls);
	memcpy(slot->tls, f->payload.p, slot->tls_len);
}

enum heard_kind
talk_parse(struct slot *slot, struct heard *h)
{
	struct frame f;
	enum io r;

	*h = (struct heard){ 0 };
	while ((r = chan_next(&slot->chan, &f)) == IO_OK) {
		if (f.tag != ascii_lower(f.tag))
			return talk_hear_frame(slot, &f, h);
		talk_keep_note(slot, &f);
	}
	return r == IO_TIMEOUT ? HEARD_NOTHING : HEARD_NONSENSE;
}

enum heard_kind
talk_hear(struct slot *slot, struct heard *h)
{
	switch (chan_fill(&slot->chan)) {
	case IO_OK:
		return talk_parse(slot, h);
	case IO_TIMEOUT:
		return HEARD_NOTHING;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	return HEARD_END;
}
