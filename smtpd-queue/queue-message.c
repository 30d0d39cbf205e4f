/* SPDX-License-Identifier: ISC */
/* The injection conversation: what each frame does to the message. */
#include "queue-message.h"

#include <errno.h>
#include <sys/socket.h>

#include "entrance.h"
#include "forged.h"
#include "header.h"
#include "log.h"

#define WHO_MAX 512
#define LINE_MODERATE 1400   /* octets of the log; no recipient beyond them */
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
	m->stage = ENVELOPE_NONE;
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

/* The first refusal is the answer; the text is dropped. */
static void
message_refuse(struct message *m, char tag, const char *text)
{
	if (m->refusal.tag == 0)
		m->refusal = (struct verdict){ tag, text };
	draft_reset(&m->drafts[m->text]);
	advice_abandon(m->advice);
}

static void
message_malformed(struct message *m)
{
	message_refuse(m, 'X', "554 5.5.0 Malformed envelope");
}

/* An error of this host, in errno: never a 5xx. */
static void
message_refuse_for_now(struct message *m)
{
	warn_sys("cannot queue '%s'", m->id);
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ENFILE:
	case EMFILE:
		message_refuse(m, 'Z', "452 4.3.1 Insufficient system storage");
		break;
	default:
		message_refuse(m, 'Z',
		    "451 4.3.0 Local error, try again later");
	}
}

static void
message_store(struct message *m, char tag, struct span payload)
{
	/* 8: "65536:", the tag and ",", the most that a frame adds. */
	if (payload.n + 8 > m->frames.max - m->frames.len) {
		message_refuse(m, 'X',
		    "552 5.3.4 Envelope and headers too large");
		return;
	}
	frame_add(&m->frames, tag, payload);
	if (m->frames.bad) {
		errno = ENOMEM;
		message_refuse_for_now(m);
	}
}

/* The same, and the advisers are told. */
static void
message_store_and_tell(struct message *m, char tag, struct span payload)
{
	message_store(m, tag, payload);
	if (m->refusal.tag == 0)
		advice_tell(m->advice, tag, payload);
}

/* Stores a payload that was put together in b, and frees it. */
static void
message_store_built(struct message *m, char tag, struct sbuf *b,
    void (*how)(struct message *, char, struct span))
{
	if (b->bad) {
		errno = ENOMEM;
		message_refuse_for_now(m);
	} else {
		how(m, tag, sbuf_span(b));
	}
	sbuf_free(b);
}

/* --- what is stored ------------------------------------------------------------ */

/* The next stored frame with this tag; *rest begins as all of them. */
static bool
message_next_frame(struct span *rest, char tag, struct frame *f)
{
	size_t used;

	while (frame_parse(*rest, f, &used) == FRAME_READY) {
		*rest = span_skip(*rest, used);
		if (f->tag == tag)
			return true;
	}
	return false;
}

static bool
message_sender(const struct message *m, struct envelope_path *from)
{
	struct span rest = sbuf_span(&m->frames);
	struct frame f;

	return message_next_frame(&rest, 'S', &f) &&
	    envelope_sender(f.payload, from);
}

/* The value of the first fact with this name, or "". */
static struct span
message_fact(const struct message *m, const char *name)
{
	struct span rest = sbuf_span(&m->frames), key, value;
	struct frame f;

	while (message_next_frame(&rest, 'C', &f))
		if (envelope_fact(f.payload, &key, &value) &&
		    span_eq(key, span_str(name)))
			return value;
	return SPAN("");
}

/* --- facts ----------------------------------------------------------------- */

/* The first facts in the file, and the first that the advisers hear. */
static void
message_introduce(struct message *m)
{
	char id[] = "id=0123456789012345678901";

	if (m->introduced || m->refusal.tag != 0)
		return;
	m->introduced = true;
	memcpy(id + 3, m->id, QUEUE_ID_LEN);
	advice_tell(m->advice, 'C', span_str(id));
	message_store_and_tell(m, 'C', entrance_fact(m->entrance));
	message_store_and_tell(m, 'C', SPAN("version=1"));
}

static void
message_take_version(struct message *m, struct span fact)
{
	m->versioned = true;
	if (!span_eq(fact, SPAN("version=1")))
		message_refuse(m, 'X', "554 5.5.0 Unknown format version");
}

/*
 * A session chooses the id of its message, so that it need not wait for ours.
 * The id may not be old; the commit refuses one that is in use.
 */
static void
message_take_id(struct message *m, struct span id)
{
	uint64_t now = clock_wall_us(), then;

	if (m->introduced || !queue_id_valid(id)) {
		message_malformed(m);
		return;
	}
	memcpy(m->id, id.p, QUEUE_ID_LEN);
	then = queue_id_time(m->id);
	if (then > now + ID_DRIFT_US || now > then + ID_DRIFT_US)
		message_refuse(m, 'Z',
		    "451 4.3.0 Local error, try again later");
}

/*
 * The address of a socket that is shown replaces what the client says, and
 * only it lets a client relay. With another descriptor, or none, the client
 * stays unknown.
 */
static void
message_take_peer(struct message *m, int peer)
{
	char text[IP_TEXT], mem[IP_TEXT + 4];
	struct sbuf fact = SBUF_IN(mem);

	m->client = ip_of_shown(peer);
	message_store_and_tell(m, 'C', SPAN("peer=socket"));
	if (m->client.size == 0)
		return;
	ip_text(&m->client, text);
	sbuf_adds(&fact, "ip=");
	sbuf_adds(&fact, text);
	message_store_and_tell(m, 'C', sbuf_span(&fact));
}

static void
message_take_fact(struct message *m, const struct frame *f, int peer)
{
	struct envelope_part part;

	if (!envelope_take(&m->stage, f, &part)) {
		message_malformed(m);
		return;
	}
	if (!m->versioned) {
		message_take_version(m, f->payload);
		return;
	}
	if (entrance_takes_id(m->entrance) && span_eq(part.name, SPAN("id"))) {
		message_take_id(m, part.value);
		return;
	}
	message_introduce(m);
	switch (entrance_believes(m->entrance, part.name)) {
	case ENTRANCE_BELIEVED:
		break;
	case ENTRANCE_TOLD:
		advice_tell(m->advice, 'C', f->payload);
		return;
	case ENTRANCE_IGNORED:
		return;
	case ENTRANCE_REFUSED:
		message_refuse(m, 'X', "550 5.7.1 Not authorized");
		return;
	}
	if (span_eq(f->payload, SPAN("peer=socket")))
		message_take_peer(m, peer);
	else if (!span_eq(part.name, SPAN("ip")) || m->client.size == 0)
		message_store_and_tell(m, 'C', f->payload);
}

/* --- the envelope ------------------------------------------------------------ */

/* The next frame to be stored is this S or R. */
static void
message_note_last(struct message *m, char tag)
{
	m->last = m->frames.len;
	m->last_tag = tag;
}

static void
message_take_sender(struct message *m, const struct frame *f)
{
	struct envelope_part part;

	if (!m->versioned || !envelope_take(&m->stage, f, &part)) {
		message_malformed(m);
		return;
	}
	message_introduce(m);
	if (!entrance_admits(m->entrance, m->conf, &m->client)) {
		message_refuse(m, 'X', "550 5.7.1 Not authorized");
		return;
	}
	message_note_last(m, 'S');
	if (m->who.len > 0)
		message_store_and_tell(m, 'C', sbuf_span(&m->who));
	message_store_and_tell(m, 'S', f->payload);
}

static void
message_keep_recipient(struct message *m, const struct envelope_path *to,
    struct span payload)
{
	struct sbuf b;

	message_note_last(m, 'R');
	m->recipients++;
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	sbuf_adds(&b, to->local ? "local" : "remote");
	sbuf_addspan(&b, span_skip(payload, span_find(payload, ' ')));
	message_store_built(m, 'R', &b, message_store_and_tell);
}

static void
message_take_recipient(struct message *m, const struct frame *f)
{
	struct envelope_part part;
	struct envelope_path *to = &part.path;

	if (!envelope_take(&m->stage, f, &part)) {
		message_malformed(m);
		return;
	}
	if (m->recipients == QUEUE_RCPTS_MAX) {
		message_refuse(m, 'X', "554 5.5.3 Too many recipients");
		return;
	}
	switch (entrance_recipient(m->entrance, m->conf, &m->client, to)) {
	case ENTRANCE_TAKEN:
		message_keep_recipient(m, to, f->payload);
		break;
	case ENTRANCE_DENIED:
		message_refuse(m, 'X', "550 5.7.1 Relay access denied");
		break;
	case ENTRANCE_OTHER_CLASS:
		/* The settings changed after the client read them. */
		message_refuse(m, 'Z',
		    "451 4.3.0 Local error, try again later");
		break;
	}
}

/* --- the text ---------------------------------------------------------------- */

static struct draft *
message_text(struct message *m)
{
	return &m->drafts[m->text];
}

/*
 * Only whole fields, or the header sections above and below would run into
 * each other; and none that claims to be this host's finding.
 */
static void
message_take_header(struct message *m, const struct frame *f)
{
	if (m->stage < ENVELOPE_SENDER || !header_is_fields(f->payload) ||
	    forged_claims(f->payload, m->conf->hostname))
		message_malformed(m);
	else
		message_store(m, 'H', f->payload);
}

static void
message_take_body(struct message *m, const struct frame *f)
{
	if (m->stage < ENVELOPE_SENDER) {
		message_malformed(m);
		return;
	}
	m->stage = ENVELOPE_TEXT;
	if (f->payload.n > m->conf->max_size - m->size)
		message_refuse(m, 'X',
		    "552 5.3.4 Message size exceeds the limit");
	else if (!draft_add(message_text(m), f->payload))
		message_refuse_for_now(m);
	m->size += f->payload.n;
}

static void
message_take_other(struct message *m, const struct frame *f)
{
	bool mark = f->tag == 'M' && m->stage >= ENVELOPE_SENDER &&
	    m->entrance == ENTRANCE_OWN;

	if (mark || (f->tag >= 'a' && f->tag <= 'z'))
		message_store(m, f->tag, f->payload);
	else
		message_malformed(m);
}

void
message_take(struct message *m, const struct frame *f, int peer)
{
	if (m->stage == ENVELOPE_NONE)
		m->stage = ENVELOPE_FACTS; /* whatever the first frame is */
	if (m->refusal.tag != 0)
		;
	else if (f->tag == 'C')
		message_take_fact(m, f, peer);
	else if (f->tag == 'S')
		message_take_sender(m, f);
	else if (f->tag == 'R')
		message_take_recipient(m, f);
	else if (f->tag == 'H')
		message_take_header(m, f);
	else if (f->tag == 'B')
		message_take_body(m, f);
	else
		message_take_other(m, f);
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

/* As if the last S or R had not come. */
static void
message_forget_last(struct message *m)
{
	sbuf_truncate(&m->frames, m->last);
	if (m->last_tag == 'R')
		m->recipients--;
	else
		m->stage = ENVELOPE_FACTS;
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
	message_forget_last(m);
	return v;
}

/* Makes the changes that an adviser wants. */
static bool
message_apply(struct message *m)
{
	struct draft *from = message_text(m), *to = &m->drafts[1 - m->text];
	const struct changes *c = &m->advice->changes;

	if (c->n > 0) {
		if (!draft_change(from, c, to))
			return false;
		draft_reset(from);
		m->text = 1 - m->text;
	}
	if (c->frames.len > m->frames.max - m->frames.len) {
		message_refuse(m, 'X',
		    "552 5.3.4 Envelope and headers too large");
		return true;
	}
	sbuf_addspan(&m->frames, sbuf_span(&c->frames));
	if (m->frames.bad)
		errno = ENOMEM;
	return !m->frames.bad;
}

/* May the message go on without the advice of smtpd-judge? */
static bool
may_go_unjudged(const struct message *m, const struct adviser *a)
{
	return strcmp(a->name, "judge") == 0 &&
	    (strcmp(m->conf->unjudged, "accept") == 0 ||
		strcmp(m->conf->dmarc, "report") == 0);
}

/* The domain of the reverse-path, or "" if it cannot be shown. */
static struct span
sender_domain(const struct message *m)
{
	struct envelope_path from;

	return message_sender(m, &from) &&
		address_is_domain(from.address.domain) ?
	    from.address.domain :
	    SPAN("");
}

/* The reader is to see that nobody checked where the message is from. */
static void
add_unjudged_field(struct message *m)
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
	message_store_built(m, 'H', &b, message_store);
}

static bool
delete_forged(void *context, uint64_t offset, uint64_t length)
{
	errno = EMSGSIZE;
	return changes_delete(context, offset, length);
}

/* Forged fields are removed all the same, as every entrance promises. */
static void
message_go_unjudged(struct message *m)
{
	struct draft *text = message_text(m);
	struct changes *c = &m->advice->changes;
	int fd = draft_reader(text);
	bool found;

	m->unjudged = true;
	changes_reset(c, CHANGES_DELETE, text->length);
	found = fd != -1 &&
	    forged_find(fd, text->length, m->conf->hostname, delete_forged, c);
	if (!found && c->n == CHANGES_MAX)
		message_refuse(m, 'X',
		    "550 5.6.0 Too many forged header fields");
	else if (!found || !message_apply(m))
		message_refuse_for_now(m);
	if (m->refusal.tag == 0)
		add_unjudged_field(m);
}

static void
message_refuse_by(struct message *m, const struct adviser *a, char tag,
    const char *text)
{
	m->by = a;
	message_refuse(m, tag, text);
}

static void
message_consult(struct message *m, struct adviser *a)
{
	struct advice *all = m->advice;

	if (draft_reader(message_text(m)) == -1) {
		message_refuse_for_now(m);
		return;
	}
	switch (advice_consult(all, a, message_text(m),
	    sbuf_span(&m->frames))) {
	case ADVICE_PASS:
		if (!message_apply(m))
			message_refuse_for_now(m);
		return;
	case ADVICE_LATER:
		if (may_go_unjudged(m, a))
			message_go_unjudged(m);
		else
			message_refuse_by(m, a, 'Z', all->reply);
		return;
	case ADVICE_REFUSE:
		message_refuse_by(m, a, 'X', all->reply);
		return;
	case ADVICE_NONE:
		break;
	}
	log_no_advice(m, a);
	if (may_go_unjudged(m, a))
		message_go_unjudged(m);
	else
		message_refuse_by(m, a, 'Z', no_advice);
}

struct verdict
message_commit(struct message *m)
{
	if (m->refusal.tag == 0 && m->stage < ENVELOPE_SENDER)
		message_malformed(m);
	if (m->refusal.tag == 0 && m->recipients == 0)
		message_refuse(m, 'X', "554 5.5.1 No valid recipients");
	for (unsigned i = 0; i < m->advice->n && m->refusal.tag == 0; i++)
		message_consult(m, &m->advice->of[i]);
	if (m->refusal.tag == 0 &&
	    !commit_message(&m->commit, m->id, message_text(m),
		sbuf_span(&m->frames))) {
		int saved = errno;

		commit_close(&m->commit);
		errno = saved;
		message_refuse_for_now(m);
	}
	if (m->refusal.tag != 0)
		return m->refusal;
	return (struct verdict){ 'K', m->id };
}

/* --- the log ----------------------------------------------------------------- */

/* As many as fit in a line of moderate length. */
static void
log_recipients(struct logline *l, const struct message *m)
{
	struct span rest = sbuf_span(&m->frames);
	struct envelope_path to;
	struct frame f;

	while (message_next_frame(&rest, 'R', &f)) {
		if (!envelope_recipient(f.payload, &to))
			continue;
		if (l->len + to.path.n > LINE_MODERATE)
			return;
		log_span(l, "to", to.path);
	}
}

static void
log_fact(struct logline *l, const struct message *m, const char *name)
{
	struct span value = message_fact(m, name);

	if (value.n > 0)
		log_span(l, name, value);
}

/* by=NAME, and how many changes of each kind that adviser made. */
static void
log_changes(struct logline *l, const struct adviser *a)
{
	if (a->deleted + a->put + a->top == 0 && !a->junk)
		return;
	log_str(l, "by", a->name);
	if (a->deleted > 0)
		log_num(l, "deleted", a->deleted);
	if (a->put > 0)
		log_num(l, "put", a->put);
	if (a->top > 0)
		log_num(l, "top", a->top);
	if (a->junk)
		log_str(l, "mark", "junk");
}

static void
log_advice(struct logline *l, const struct message *m, bool queued)
{
	if (m->unjudged)
		log_str(l, "unjudged", "yes");
	if (!queued && m->by != NULL)
		log_str(l, "by", m->by->name);
	for (unsigned i = 0; queued && i < m->advice->n; i++)
		log_changes(l, &m->advice->of[i]);
}

void
message_log(const struct message *m, const struct verdict *v)
{
	static const char *const known[] = { "helo", "protocol", "tls", "uid",
		"user", "about" };
	struct logline l;
	struct envelope_path from;
	char ip[IP_TEXT];
	bool queued = v->tag == 'K';

	log_begin(&l, m->id, queued ? "queued" : "refused");
	log_span(&l, "entrance", message_fact(m, "entrance"));
	if (!message_sender(m, &from))
		from.path = SPAN("");
	log_span(&l, "from", from.path);
	log_num(&l, "nrcpt", m->recipients);
	log_num(&l, "size", queued ? m->drafts[m->text].length : m->size);
	ip_text(&m->client, ip);
	if (m->client.size != 0)
		log_str(&l, "ip", ip);
	else
		log_fact(&l, m, "ip");
	for (size_t i = 0; i < nitems(known); i++)
		log_fact(&l, m, known[i]);
	log_advice(&l, m, queued);
	if (!queued)
		log_str(&l, "reply", v->text);
	log_recipients(&l, m);
	log_end(&l);
}
