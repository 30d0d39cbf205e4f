/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#include "message.h"

#include <errno.h>
#include <sys/socket.h>

#include "forged.h"
#include "header.h"
#include "log.h"

#define WHO_MAX 512
#define ID_DRIFT_US 60000000 /* between a session's clock and ours */

bool
message_init(struct message *m, const struct conf *conf, enum entrance e,
    const struct store *store, struct advice *advice)
{
	m->conf = conf;
	m->entrance = e;
	m->advice = advice;
	commit_init(&m->commit, store);
	draft_init(&m->drafts[0], store);
	draft_init(&m->drafts[1], store);
	sbuf_init(&m->who, WHO_MAX);
	sbuf_init(&m->frames, QUEUEFILE_FRAMES_MAX);
	return message_next(m);
}

void
message_reset(struct message *m)
{
	commit_close(&m->commit);
	advice_abandon(m->advice);
	advice_begin(m->advice);
	draft_reset(&m->drafts[0]);
	draft_reset(&m->drafts[1]);
	m->stage = MESSAGE_NONE;
	m->versioned = m->introduced = m->unjudged = false;
	m->refusal = (struct verdict){ 0 };
	m->by = NULL;
	m->client.size = 0;
	m->recipients = 0;
	m->size = 0;
	m->last_tag = '\0';
	sbuf_reset(&m->frames);
}

bool
message_next(struct message *m)
{
	message_reset(m);
	return queue_id_new(m->id);
}

/* The first refusal is the answer; nothing is kept. */
static void
refuse(struct message *m, char tag, const char *text)
{
	if (m->refusal.tag == 0)
		m->refusal = (struct verdict){ tag, text };
	draft_reset(&m->drafts[m->text]);
	advice_abandon(m->advice);
}

static void
malformed(struct message *m)
{
	refuse(m, 'X', "554 5.5.0 Malformed envelope");
}

/* Something failed here: errno says why. Never a 5xx. */
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

/* The same, and the advisers hear it now. */
static void
store_and_tell(struct message *m, char tag, struct span payload)
{
	store(m, tag, payload);
	if (m->refusal.tag == 0)
		advice_tell(m->advice, tag, payload);
}

/* --- facts ----------------------------------------------------------------- */

/* What comes first in the file, and what the advisers hear first. */
static void
introduce(struct message *m)
{
	char id[] = "id=0123456789012345678901";

	if (m->introduced || m->refusal.tag != 0)
		return;
	m->introduced = true;
	memcpy(id + 3, m->id, QUEUE_ID_LEN);
	advice_tell(m->advice, 'C', span_str(id));
	store_and_tell(m, 'C', entrance_fact(m->entrance));
	store_and_tell(m, 'C', SPAN("version=1"));
}

static void
take_version(struct message *m, struct span fact)
{
	m->versioned = true;
	if (!span_eq(fact, SPAN("version=1")))
		refuse(m, 'X', "554 5.5.0 Unknown format version");
}

/*
 * A session names its message itself, so that it need not wait for our word.
 * It can name none that is old; one that is there already is found by the
 * commit.
 */
static void
take_id(struct message *m, struct span id)
{
	uint64_t now = clock_wall_us(), then;

	if (m->introduced || !queue_id_valid(id)) {
		malformed(m);
		return;
	}
	memcpy(m->id, id.p, QUEUE_ID_LEN);
	then = queue_id_time(m->id);
	if (then > now + ID_DRIFT_US || now > then + ID_DRIFT_US)
		refuse(m, 'Z', "451 4.3.0 Local error, try again later");
}

/*
 * An address is believed if a socket of it is shown, and then a word about it
 * is not needed. Another descriptor, or none, leaves the client unknown: it
 * may not relay.
 */
static void
take_peer(struct message *m, int peer)
{
	char text[IP_TEXT], mem[IP_TEXT + 4];
	struct sbuf fact = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	m->client = ip_of_shown(peer);
	store_and_tell(m, 'C', SPAN("peer=socket"));
	if (m->client.size == 0)
		return;
	ip_text(&m->client, text);
	sbuf_adds(&fact, "ip=");
	sbuf_adds(&fact, text);
	store_and_tell(m, 'C', sbuf_span(&fact));
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
		take_version(m, f->payload);
		return;
	}
	if (entrance_takes_id(m->entrance) && span_eq(name, SPAN("id"))) {
		take_id(m, value);
		return;
	}
	introduce(m);
	switch (entrance_believes(m->entrance, name)) {
	case ENTRANCE_BELIEVED:
		break;
	case ENTRANCE_TOLD:
		advice_tell(m->advice, 'C', f->payload);
		return;
	case ENTRANCE_IGNORED:
		return;
	case ENTRANCE_REFUSED:
		refuse(m, 'X', "550 5.7.1 Not authorized");
		return;
	}
	if (span_eq(f->payload, SPAN("peer=socket")))
		take_peer(m, peer);
	else if (!span_eq(name, SPAN("ip")) || m->client.size == 0)
		store_and_tell(m, 'C', f->payload);
}

/* --- the envelope ------------------------------------------------------------ */

/* From here on the next S or R of the file stands. */
static void
note_last(struct message *m, char tag)
{
	m->last = m->frames.len;
	m->last_tag = tag;
}

static void
take_sender(struct message *m, const struct frame *f)
{
	struct envelope_path from;

	if (m->stage != MESSAGE_FACTS || !m->versioned ||
	    !envelope_sender(f->payload, &from)) {
		malformed(m);
		return;
	}
	introduce(m);
	m->stage = MESSAGE_ENVELOPE;
	if (!entrance_admits(m->entrance, m->conf, &m->client)) {
		refuse(m, 'X', "550 5.7.1 Not authorized");
		return;
	}
	note_last(m, 'S');
	if (m->who.len > 0)
		store_and_tell(m, 'C', sbuf_span(&m->who));
	store_and_tell(m, 'S', f->payload);
}

static void
keep_recipient(struct message *m, const struct envelope_path *to,
    struct span payload)
{
	struct sbuf b;

	note_last(m, 'R');
	m->recipients++;
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	sbuf_adds(&b, to->local ? "local" : "remote");
	sbuf_addspan(&b, span_skip(payload, span_find(payload, ' ')));
	if (b.bad) {
		errno = ENOMEM;
		refuse_for_now(m);
	} else {
		store_and_tell(m, 'R', sbuf_span(&b));
	}
	sbuf_free(&b);
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
	if (m->recipients == QUEUE_RCPTS_MAX) {
		refuse(m, 'X', "554 5.5.3 Too many recipients");
		return;
	}
	switch (entrance_recipient(m->entrance, m->conf, &m->client, &to)) {
	case ENTRANCE_TAKEN:
		keep_recipient(m, &to, f->payload);
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

/* --- the text ---------------------------------------------------------------- */

static struct draft *
text_of(struct message *m)
{
	return &m->drafts[m->text];
}

/*
 * Whole fields, or the header sections above and below would grow together;
 * and none that says it is this host's finding.
 */
static void
take_header(struct message *m, const struct frame *f)
{
	if (m->stage < MESSAGE_ENVELOPE || !header_is_fields(f->payload) ||
	    forged_claims(f->payload, m->conf->hostname))
		malformed(m);
	else
		store(m, 'H', f->payload);
}

static void
take_body(struct message *m, const struct frame *f)
{
	if (m->stage < MESSAGE_ENVELOPE) {
		malformed(m);
		return;
	}
	m->stage = MESSAGE_BODY;
	if (f->payload.n > m->conf->max_size - m->size)
		refuse(m, 'X', "552 5.3.4 Message too big");
	else if (!draft_add(text_of(m), f->payload))
		refuse_for_now(m);
	m->size += f->payload.n;
}

static void
take_other(struct message *m, const struct frame *f)
{
	bool mark = f->tag == 'M' && m->stage >= MESSAGE_ENVELOPE &&
	    m->entrance == ENTRANCE_OWN;

	if (mark || (f->tag >= 'a' && f->tag <= 'z'))
		store(m, f->tag, f->payload);
	else
		malformed(m);
}

void
message_take(struct message *m, const struct frame *f, int peer)
{
	if (m->stage == MESSAGE_NONE)
		m->stage = MESSAGE_FACTS;
	if (m->refusal.tag != 0)
		;
	else if (f->tag == 'C')
		take_fact(m, f, peer);
	else if (f->tag == 'S')
		take_sender(m, f);
	else if (f->tag == 'R')
		take_recipient(m, f);
	else if (f->tag == 'H')
		take_header(m, f);
	else if (f->tag == 'B')
		take_body(m, f);
	else
		take_other(m, f);
}

/* --- advice ------------------------------------------------------------------ */

static const char no_advice[] =
    "451 4.7.1 The message cannot be checked now, try again later";

static void
log_no_advice(const struct message *m, const struct adviser *a)
{
	struct logline l;

	log_begin(&l, m->id, "no-advice");
	log_str(&l, "by", a->name);
	log_str(&l, "why", m->advice->why);
	log_end(&l);
}

/* The last S or R never was. */
static void
forget_last(struct message *m)
{
	sbuf_truncate(&m->frames, m->last);
	if (m->last_tag == 'R')
		m->recipients--;
	else
		m->stage = MESSAGE_FACTS;
	m->last_tag = '\0';
}

struct verdict
message_ask(struct message *m)
{
	struct adviser *by = NULL;
	struct verdict v = { 'K', "" };

	if (m->refusal.tag != 0 || m->last_tag == '\0')
		return m->refusal.tag != 0 ? m->refusal : v;
	switch (advice_ask(m->advice, &by)) {
	case ADVICE_PASS:
		m->last_tag = '\0';
		return v;
	case ADVICE_LATER:
		v = (struct verdict){ 'Z', m->advice->reply };
		break;
	case ADVICE_REFUSE:
		v = (struct verdict){ 'X', m->advice->reply };
		break;
	case ADVICE_NONE:
		log_no_advice(m, by);
		v = (struct verdict){ 'Z', no_advice };
		break;
	}
	forget_last(m);
	return v;
}

/* The text becomes what the changes make of it. */
static bool
apply(struct message *m)
{
	struct draft *from = text_of(m), *to = &m->drafts[1 - m->text];
	const struct changes *c = &m->advice->changes;

	if (c->n > 0) {
		if (!draft_change(from, c, to))
			return false;
		draft_reset(from);
		m->text = 1 - m->text;
	}
	if (c->frames.len > m->frames.max - m->frames.len) {
		refuse(m, 'X', "552 5.3.4 Envelope and headers too large");
		return true;
	}
	sbuf_addspan(&m->frames, sbuf_span(&c->frames));
	if (m->frames.bad)
		errno = ENOMEM;
	return !m->frames.bad;
}

/* What may pass although smtpd-judge has not seen it. */
static bool
may_go_unjudged(const struct message *m, const struct adviser *a)
{
	return strcmp(a->name, "judge") == 0 &&
	    (strcmp(m->conf->unjudged, "accept") == 0 ||
		strcmp(m->conf->dmarc, "report") == 0);
}

/* The domain of the reverse-path, when it is one that can be shown. */
static struct span
sender_domain(const struct message *m)
{
	struct span rest = sbuf_span(&m->frames);
	struct envelope_path from;
	struct frame f;
	size_t used;

	while (frame_parse(rest, &f, &used) == FRAME_READY) {
		rest = span_skip(rest, used);
		if (f.tag == 'S' && envelope_sender(f.payload, &from) &&
		    address_is_domain(from.address.domain))
			return from.address.domain;
	}
	return SPAN("");
}

/* Nobody knows where the message is from, and its reader is to see that. */
static void
add_ignorance(struct message *m)
{
	struct span domain = sender_domain(m);
	struct sbuf b;

	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	sbuf_addf(&b, "Authentication-Results: %s;\r\n\tspf=temperror",
	    m->conf->hostname);
	if (domain.n > 0) {
		sbuf_adds(&b, " smtp.mailfrom=");
		sbuf_addspan(&b, domain);
	}
	sbuf_adds(&b, ";\r\n\tdkim=temperror;\r\n\tdmarc=temperror\r\n");
	if (b.bad) {
		errno = ENOMEM;
		refuse_for_now(m);
	} else {
		store(m, 'H', sbuf_span(&b));
	}
	sbuf_free(&b);
}

static bool
take_forged(void *context, uint64_t offset, uint64_t length)
{
	errno = EMSGSIZE;
	return changes_delete(context, offset, length);
}

/* What is forged goes all the same, as every entrance promises. */
static void
go_unjudged(struct message *m)
{
	struct draft *text = text_of(m);
	struct changes *c = &m->advice->changes;
	int fd = draft_reader(text);
	bool found;

	m->unjudged = true;
	changes_reset(c, CHANGES_DELETE, text->length);
	found = fd != -1 &&
	    forged_find(fd, text->length, m->conf->hostname, take_forged, c);
	if (!found && c->n == CHANGES_MAX)
		refuse(m, 'X', "550 5.6.0 Too many forged header fields");
	else if (!found || !apply(m))
		refuse_for_now(m);
	if (m->refusal.tag == 0)
		add_ignorance(m);
}

static void
refuse_by(struct message *m, const struct adviser *a, char tag,
    const char *text)
{
	m->by = a;
	refuse(m, tag, text);
}

static void
hear(struct message *m, struct adviser *a)
{
	struct advice *all = m->advice;

	if (draft_reader(text_of(m)) == -1) {
		refuse_for_now(m);
		return;
	}
	switch (advice_hear(all, a, text_of(m), sbuf_span(&m->frames))) {
	case ADVICE_PASS:
		if (!apply(m))
			refuse_for_now(m);
		return;
	case ADVICE_LATER:
		if (may_go_unjudged(m, a))
			go_unjudged(m);
		else
			refuse_by(m, a, 'Z', all->reply);
		return;
	case ADVICE_REFUSE:
		refuse_by(m, a, 'X', all->reply);
		return;
	case ADVICE_NONE:
		break;
	}
	log_no_advice(m, a);
	if (may_go_unjudged(m, a))
		go_unjudged(m);
	else
		refuse_by(m, a, 'Z', no_advice);
}

struct verdict
message_commit(struct message *m)
{
	if (m->refusal.tag == 0 && m->stage < MESSAGE_ENVELOPE)
		malformed(m);
	if (m->refusal.tag == 0 && m->recipients == 0)
		refuse(m, 'X', "554 5.5.1 No valid recipients");
	for (unsigned i = 0; i < m->advice->n && m->refusal.tag == 0; i++)
		hear(m, &m->advice->of[i]);
	if (m->refusal.tag == 0 &&
	    !commit(&m->commit, m->id, text_of(m), sbuf_span(&m->frames))) {
		int saved = errno;

		commit_close(&m->commit);
		errno = saved;
		refuse_for_now(m);
	}
	if (m->refusal.tag != 0)
		return m->refusal;
	return (struct verdict){ 'K', m->id };
}
