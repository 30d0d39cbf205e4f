/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#include "message.h"

#include <errno.h>
#include <sys/socket.h>

#include "log.h"

void
message_init(struct message *m, const struct conf *conf, enum entrance e,
    const struct store *store)
{
	m->conf = conf;
	m->entrance = e;
	m->stage = MESSAGE_NONE;
	commit_init(&m->commit, store);
	sbuf_init(&m->frames, QUEUEFILE_FRAMES_MAX);
	message_reset(m);
}

void
message_reset(struct message *m)
{
	commit_close(&m->commit);
	m->commit.file.body_len = 0;
	m->stage = MESSAGE_NONE;
	m->versioned = false;
	m->refusal = (struct verdict){ 0 };
	m->id[0] = '\0';
	m->client.size = 0;
	m->recipients = 0;
	sbuf_reset(&m->frames);
}

/* The first refusal is the answer; nothing stays on disk. */
static void
refuse(struct message *m, char tag, const char *text)
{
	if (m->refusal.tag == 0)
		m->refusal = (struct verdict){ tag, text };
	commit_close(&m->commit);
}

static void
malformed(struct message *m)
{
	refuse(m, 'X', "554 5.5.0 Malformed envelope");
}

/* A step of the commit failed: errno says why. Never a 5xx. */
static void
refuse_for_now(struct message *m)
{
	warn_sys("cannot queue '%s'", m->id);
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ENFILE:
	case EMFILE:
		refuse(m, 'Z', "452 4.3.1 Insufficient system storage");
		break;
	default:
		refuse(m, 'Z', "451 4.3.0 Local error, try again later");
	}
}

static void
store(struct message *m, char tag, struct span payload)
{
	/* 8: "65536:", the tag and ",", the most that a frame adds. */
	if (payload.n + 8 > m->frames.max - m->frames.len) {
		refuse(m, 'X', "552 5.3.4 Envelope and headers too large");
		return;
	}
	frame_add(&m->frames, tag, payload);
	if (m->frames.bad) {
		errno = ENOMEM;
		refuse_for_now(m);
	}
}

static void
take_fact(struct message *m, const struct frame *f, int peer)
{
	struct span name, value;

	if (m->stage > MESSAGE_FACTS ||
	    !envelope_fact(f->payload, &name, &value)) {
		malformed(m);
		return;
	}
	if (!m->versioned) {
		m->versioned = true;
		if (!span_eq(f->payload, SPAN("version=1"))) {
			refuse(m, 'X', "554 5.5.0 Unknown format version");
			return;
		}
		store(m, 'C', entrance_fact(m->entrance));
	}
	if (!entrance_believes(m->entrance, name)) {
		refuse(m, 'X', "550 5.7.1 Not authorized");
		return;
	}
	/*
	 * An address is believed if a socket of it is shown. Another
	 * descriptor, or none, leaves the client unknown: he may not relay.
	 */
	if (span_eq(f->payload, SPAN("peer=socket")))
		m->client = ip_of_shown(peer);
	store(m, 'C', f->payload);
}

static void
take_sender(struct message *m, const struct frame *f)
{
	struct envelope_path from;
	bool in_order = m->stage == MESSAGE_FACTS && m->versioned;

	if (m->id[0] == '\0' && !queue_id_new(m->id))
		die_sys(EXIT_TEMP, "no randomness for an id");
	if (m->stage < MESSAGE_ENVELOPE)
		m->stage = MESSAGE_ENVELOPE;
	if (!in_order || !envelope_sender(f->payload, &from)) {
		malformed(m);
		return;
	}
	store(m, 'S', f->payload);
	if (m->refusal.tag == 0 && !commit_begin(&m->commit, m->id))
		refuse_for_now(m);
}

static void
take_recipient(struct message *m, const struct frame *f)
{
	struct envelope_path to;

	if (m->stage != MESSAGE_ENVELOPE ||
	    !envelope_recipient(f->payload, &to)) {
		malformed(m);
		return;
	}
	if (++m->recipients > QUEUE_RCPTS_MAX) {
		refuse(m, 'X', "554 5.5.3 Too many recipients");
		return;
	}
	switch (entrance_recipient(m->entrance, m->conf, &m->client, &to)) {
	case ENTRANCE_TAKEN:
		store(m, 'R', f->payload);
		break;
	case ENTRANCE_DENIED:
		refuse(m, 'X', "550 5.7.1 Relay access denied");
		break;
	case ENTRANCE_OTHER_CLASS:
		/* The settings changed since the client has read them. */
		refuse(m, 'Z', "451 4.3.0 Local error, try again later");
		break;
	}
}

/* Whole lines, or the header sections above and below would grow together. */
static void
take_header(struct message *m, const struct frame *f)
{
	struct span p = f->payload;

	if (m->stage < MESSAGE_ENVELOPE || p.n < 2 ||
	    memcmp(p.p + p.n - 2, "\r\n", 2) != 0)
		malformed(m);
	else
		store(m, 'H', p);
}

static void
take_body(struct message *m, const struct frame *f)
{
	if (m->stage < MESSAGE_ENVELOPE) {
		malformed(m);
		return;
	}
	m->stage = MESSAGE_BODY;
	if (f->payload.n > m->conf->max_size - m->commit.file.body_len)
		refuse(m, 'X', "552 5.3.4 Message too big");
	else if (!commit_add(&m->commit, f->payload))
		refuse_for_now(m);
}

static void
take_other(struct message *m, const struct frame *f)
{
	bool mark = f->tag == 'M' && m->stage >= MESSAGE_ENVELOPE;

	if (mark || (f->tag >= 'a' && f->tag <= 'z'))
		store(m, f->tag, f->payload);
	else
		malformed(m);
}

bool
message_take(struct message *m, const struct frame *f, int peer)
{
	bool sender = f->tag == 'S';

	if (m->stage == MESSAGE_NONE)
		m->stage = MESSAGE_FACTS;
	/* Even a refused message gets an id, which its client may wait for. */
	if (sender)
		take_sender(m, f);
	else if (m->refusal.tag != 0)
		;
	else if (f->tag == 'C')
		take_fact(m, f, peer);
	else if (f->tag == 'R')
		take_recipient(m, f);
	else if (f->tag == 'H')
		take_header(m, f);
	else if (f->tag == 'B')
		take_body(m, f);
	else
		take_other(m, f);
	return sender;
}

struct verdict
message_commit(struct message *m)
{
	if (m->refusal.tag == 0 && m->stage < MESSAGE_ENVELOPE)
		malformed(m);
	if (m->refusal.tag == 0 && m->recipients == 0)
		refuse(m, 'X', "554 5.5.1 No valid recipients");
	if (m->refusal.tag == 0 &&
	    !commit_end(&m->commit, sbuf_span(&m->frames)))
		refuse_for_now(m);
	if (m->refusal.tag != 0)
		return m->refusal;
	return (struct verdict){ 'K', m->id };
}
