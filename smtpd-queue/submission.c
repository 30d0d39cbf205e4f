/* SPDX-License-Identifier: ISC */
/* Checks and completes messages for smtpd-submit; which senders are whose. */
#include "submission.h"

#include "addrlist.h"
#include "clock.h"
#include "conversation.h"
#include "forged.h"
#include "log.h"
#include "signed-header.h"

#define PIECE 16384  /* header sections are seldom larger */
#define ONE_MAX 1024 /* more than any address has */

void
submission_init(struct submission *s, const struct conf *conf,
    struct span senders)
{
	s->conf = conf;
	s->senders = senders;
	sbuf_init(&s->sender, FRAME_PAYLOAD_MAX);
	sbuf_init(&s->name, FRAME_PAYLOAD_MAX);
	header_init(&s->header);
}

static void
submission_begin(void *context)
{
	struct submission *s = context;

	s->id[0] = '\0';
	s->user_entrance = s->relay_entrance = false;
	s->has_uid = s->has_author = false;
	s->origin = SUBMISSION_UNKNOWN;
	sbuf_reset(&s->sender);
	sbuf_reset(&s->name);
	s->has_date = s->has_message_id = s->has_from = s->foreign = false;
	s->nul = s->nul_here = false;
	s->covered = 0;
	s->reply = SPAN("");
}

/* The first reason counts. */
static void
submission_reply(struct submission *s, struct span reply)
{
	if (s->reply.n == 0)
		s->reply = reply;
}

/* --- facts and envelope -------------------------------------------------- */

/* The messages of a conversation usually belong to one user. */
static void
submission_meet_author(struct submission *s, struct span name)
{
	if (s->author.conf == NULL ||
	    !span_eq(name, span_str(s->author.name))) {
		author_free(&s->author);
		if (!author_init(&s->author, s->conf, name)) {
			warn("malformed user name");
			return;
		}
		if (!author_read(&s->author, s->senders)) {
			warn("'%s': too many addresses for user '%s'",
			    s->conf->senders, s->author.name);
			author_free(&s->author);
			return;
		}
	}
	s->has_author = true;
}

static void
submission_fact(void *context, struct span name, struct span value)
{
	struct submission *s = context;

	if (span_eq(name, SPAN("id")) && queue_id_valid(value)) {
		memcpy(s->id, value.p, value.n);
		s->id[value.n] = '\0';
	} else if (span_eq(name, SPAN("entrance"))) {
		s->user_entrance = span_eq(value, SPAN("user"));
		s->relay_entrance = span_eq(value, SPAN("relay"));
	} else if (span_eq(name, SPAN("uid"))) {
		s->has_uid = span_u32(value, UINT32_MAX, &s->uid);
	} else if (span_eq(name, SPAN("user"))) {
		submission_meet_author(s, value);
	} else if (span_eq(name, SPAN("name"))) {
		sbuf_reset(&s->name);
		sbuf_addspan(&s->name, value);
	}
}

static enum submission_origin
submission_origin(const struct submission *s)
{
	if (s->id[0] == '\0' || s->sender.bad || s->name.bad)
		return SUBMISSION_UNKNOWN;
	if (s->relay_entrance)
		return SUBMISSION_RELAY;
	if (s->user_entrance && s->has_author)
		return SUBMISSION_AUTH;
	if (s->user_entrance && s->has_uid)
		return SUBMISSION_LOCAL;
	return SUBMISSION_UNKNOWN;
}

static void
submission_sender(void *context, const struct envelope_path *from)
{
	struct submission *s = context;

	sbuf_reset(&s->sender);
	sbuf_addspan(&s->sender, from->path);
	s->origin = submission_origin(s);
}

/* Every user may send with the null reverse-path: receipts and the like. */
static bool
submission_sender_is_own(const struct submission *s)
{
	struct envelope_path from;

	return !envelope_sender(sbuf_span(&s->sender), &from) ||
	    from.address.whole.n == 0 ||
	    author_may_send(&s->author, &from.address);
}

/* --- the header section -------------------------------------------------- */

/* Notes the field in h. nul: it contains one. */
static void
submission_note_field(struct submission *s, struct header *h, bool nul)
{
	struct span name = header_name(h);

	s->has_date = s->has_date || span_ieq(name, SPAN("Date"));
	s->has_from = s->has_from || span_ieq(name, SPAN("From"));
	s->has_message_id = s->has_message_id ||
	    span_ieq(name, SPAN("Message-ID"));
	if (signed_find(name) < signed_count) {
		s->covered++;
		s->nul = s->nul || nul;
	}
	if (s->origin == SUBMISSION_AUTH &&
	    (span_ieq(name, SPAN("From")) || span_ieq(name, SPAN("Sender"))))
		s->foreign = s->foreign || h->cut ||
		    !author_may_write(&s->author, header_value(h));
}

/* Fields that are on top already are not added. */
static void
submission_fields(void *context, struct span lines)
{
	struct submission *s = context;
	enum header_event e;
	struct header h;
	size_t used;

	header_init(&h);
	while ((e = header_push(&h, lines, &used)) == HEADER_FIELD) {
		submission_note_field(s, &h, false);
		lines = span_skip(lines, used);
	}
	if (e == HEADER_MORE && header_finish(&h) == HEADER_FIELD)
		submission_note_field(s, &h, false);
	if (h.field.bad)
		submission_reply(s, ADVISE_LOCAL_ERROR);
	header_free(&h);
}

static bool
submission_note_forged(void *context, uint64_t offset, uint64_t length)
{
	struct submission *s = context;

	if (s->ngone == SUBMISSION_FORGED_MAX) {
		submission_reply(s,
		    SPAN("554 5.6.0 Too many forged header fields"));
		return false;
	}
	s->gone[s->ngone++] = (struct forged_range){ offset, length };
	return true;
}

static enum header_event
submission_push(struct submission *s, struct span *in, uint64_t *taken)
{
	size_t used;
	enum header_event e = header_push(&s->header, *in, &used);

	s->nul_here = s->nul_here || memchr(in->p, '\0', used) != NULL;
	*in = span_skip(*in, used);
	*taken += used;
	return e;
}

/* The offset in the text of the octet that follows so many kept ones. */
static uint64_t
place_of(const struct submission *s, uint64_t kept)
{
	for (size_t i = 0; i < s->ngone && s->gone[i].offset <= kept; i++)
		kept += s->gone[i].length;
	return kept;
}

/*
 * Reads on at *at, skipping ranges that are deleted: the r-th is the next one.
 * Returns as advise_read does; 0 at the end of the text.
 */
static ssize_t
submission_read_on(const struct submission *s, const struct advise_text *t,
    uint64_t *at, size_t *r, char piece[PIECE])
{
	uint64_t end = t->length;
	ssize_t n;

	if (*r < s->ngone && s->gone[*r].offset == *at)
		*at += s->gone[(*r)++].length;
	if (*r < s->ngone)
		end = s->gone[*r].offset;
	n = advise_read(t, *at, piece,
	    end - *at < PIECE ? (size_t)(end - *at) : PIECE);
	if (n > 0)
		*at += (uint64_t)n;
	return n;
}

/* Reads the section without deleted ranges. False: it cannot be read. */
static bool
submission_read_header(struct submission *s, const struct advise_text *t)
{
	static char piece[PIECE];
	uint64_t at = 0, taken = 0;
	size_t r = 0;
	ssize_t n = 0;

	header_free(&s->header);
	header_init(&s->header);
	while (!s->header.done && taken <= SUBMISSION_HEADER_MAX &&
	    (n = submission_read_on(s, t, &at, &r, piece)) > 0) {
		struct span in = span_of(piece, (size_t)n);

		while (submission_push(s, &in, &taken) == HEADER_FIELD) {
			submission_note_field(s, &s->header, s->nul_here);
			s->nul_here = false;
		}
	}
	if (n == -1)
		return false;
	while (n == 0 && header_finish(&s->header) == HEADER_FIELD)
		submission_note_field(s, &s->header, s->nul_here);
	/* The machine still holds the start of the first line of the text. */
	s->header_end = place_of(s, taken - s->header.field.len);
	s->unended = !s->header.ended && s->header_end < t->length;
	if (taken > SUBMISSION_HEADER_MAX)
		submission_reply(s,
		    SPAN("552 5.3.4 Message header size exceeds limit"));
	return true;
}

/* Refuses a message that may not be sent or could not be signed. */
static void
submission_check_header(struct submission *s)
{
	if (s->header.field.bad)
		submission_reply(s, ADVISE_LOCAL_ERROR);
	if (s->foreign)
		submission_reply(s,
		    SPAN(
			"550 5.7.1 From or Sender address rejected: not owned by user"));
	if (s->nul)
		submission_reply(s,
		    SPAN("554 5.6.0 NUL not allowed in a header field"));
	if (s->covered > SIGNED_FIELDS_MAX)
		submission_reply(s, SPAN("554 5.6.0 Too many header fields"));
}

/* --- the fields that are added ------------------------------------------------ */

#define COMPOSE_NAME_MAX 200 /* octets of a full name that are used */
#define ENCODED_TEXT 45      /* octets: a 75 octet word holds 15 in hex */

static void
compose_date(struct sbuf *b, time_t t)
{
	sbuf_adds(b, "Date: ");
	clock_date(b, t);
	sbuf_adds(b, "\r\n");
}

static void
compose_message_id(struct sbuf *b, const char *id, const char *host)
{
	sbuf_addf(b, "Message-ID: <%s@%s>\r\n", id, host);
}

/* May it stand in a phrase as it is (RFC 5322 atext and blanks)? */
static bool
is_plain(char c)
{
	return ascii_isalnum(c) ||
	    memchr(" !#$%&'*+-/=?^_`{|}~", c, 20) != NULL;
}

static bool
is_ascii(char c)
{
	return c >= ' ' && c <= '~';
}

static void
compose_quoted(struct sbuf *b, struct span name)
{
	sbuf_putc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			sbuf_putc(b, '\\');
		sbuf_putc(b, name.p[i]);
	}
	sbuf_putc(b, '"');
}

/* RFC 2047 "Q", in words that end between two characters of UTF-8. */
static void
compose_encoded(struct sbuf *b, struct span name)
{
	size_t in_word = 0;

	sbuf_adds(b, "=?UTF-8?Q?");
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (in_word >= ENCODED_TEXT && (c & 0xc0) != 0x80) {
			sbuf_adds(b, "?=\r\n =?UTF-8?Q?");
			in_word = 0;
		}
		if (ascii_isalnum((char)c))
			sbuf_putc(b, (char)c);
		else
			sbuf_addf(b, "=%02X", c);
		in_word += ascii_isalnum((char)c) ? 1 : 3;
	}
	sbuf_adds(b, "?=");
}

static void
compose_name(struct sbuf *b, struct span name)
{
	bool plain = true, ascii = true;

	for (size_t i = 0; i < name.n; i++) {
		plain = plain && is_plain(name.p[i]);
		ascii = ascii && is_ascii(name.p[i]);
	}
	/* What looks like an encoded word is quoted, so that it is none. */
	plain = plain && span_find(name, '?') == name.n;
	if (plain)
		sbuf_addspan(b, name);
	else if (ascii)
		compose_quoted(b, name);
	else
		compose_encoded(b, name);
}

/* name may be empty or not ASCII. For <> it is MAILER-DAEMON at host. */
static void
compose_from(struct sbuf *b, struct span name, const struct address *from,
    const char *host)
{
	name = span_trim(name);
	if (name.n > COMPOSE_NAME_MAX)
		name.n = COMPOSE_NAME_MAX;
	sbuf_adds(b, "From: ");
	if (name.n > 0) {
		compose_name(b, name);
		sbuf_putc(b, ' ');
	}
	sbuf_putc(b, '<');
	if (from->whole.n > 0)
		sbuf_addspan(b, from->whole);
	else
		sbuf_addf(b, "MAILER-DAEMON@%s", host);
	sbuf_adds(b, ">\r\n");
}

static void
compose_received(struct sbuf *b, uid_t uid, const char *id, const char *host,
    time_t t)
{
	sbuf_addf(b, "Received: by %s (smtpd, from uid %lu) id %s;\r\n\t", host,
	    (unsigned long)uid, id);
	clock_date(b, t);
	sbuf_adds(b, "\r\n");
}

/* --- the advice ---------------------------------------------------------- */

static void
compose_from_author(struct sbuf *b, const struct author *author)
{
	sbuf_adds(b, "From: <");
	author_address(author, b);
	sbuf_adds(b, ">\r\n");
}

static void
submission_add_from(const struct submission *s, struct sbuf *b)
{
	struct envelope_path from;

	if (!envelope_sender(sbuf_span(&s->sender), &from))
		return;
	if (from.address.whole.n == 0 && s->origin == SUBMISSION_AUTH)
		compose_from_author(b, &s->author);
	else
		compose_from(b, sbuf_span(&s->name), &from.address,
		    s->conf->hostname);
}

static void
add_missing_fields(const struct submission *s, struct sbuf *b)
{
	if (!s->has_date)
		compose_date(b, (time_t)(clock_wall_us() / 1000000));
	if (!s->has_from)
		submission_add_from(s, b);
	if (!s->has_message_id)
		compose_message_id(b, s->id, s->conf->hostname);
}

/*
 * The empty line goes below the deleted ranges that lie before the text, or the
 * first line of the text would end up among the fields.
 */
static void
advise_changes(const struct submission *s, struct span missing)
{
	bool unended = s->unended;

	advise_put(0, missing);
	for (size_t i = 0; i < s->ngone; i++) {
		if (unended && s->header_end <= s->gone[i].offset) {
			advise_put(s->header_end, SPAN("\r\n"));
			unended = false;
		}
		advise_delete(s->gone[i].offset, s->gone[i].length);
	}
	if (unended)
		advise_put(s->header_end, SPAN("\r\n"));
}

/* For other mail the session has made it. */
static void
submission_add_received(const struct submission *s, struct sbuf *b)
{
	if (s->origin == SUBMISSION_LOCAL)
		compose_received(b, s->uid, s->id, s->conf->hostname,
		    (time_t)(clock_wall_us() / 1000000));
}

static void
advise_on(struct submission *s)
{
	struct sbuf missing, received;

	sbuf_init(&missing, FRAME_PAYLOAD_MAX);
	sbuf_init(&received, FRAME_PAYLOAD_MAX);
	add_missing_fields(s, &missing);
	submission_add_received(s, &received);
	if (missing.bad || received.bad) {
		advise_later(ADVISE_LOCAL_ERROR);
	} else {
		advise_changes(s, sbuf_span(&missing));
		if (received.len > 0)
			advise_top(sbuf_span(&received));
		advise_pass();
	}
	sbuf_free(&missing);
	sbuf_free(&received);
}

static void
look_at_message(struct submission *s, const struct advise_text *t)
{
	s->ngone = 0;
	if (s->origin == SUBMISSION_UNKNOWN) {
		warn("smtpd-queue did not say whose mail this is");
		submission_reply(s, ADVISE_LOCAL_ERROR);
		return;
	}
	if (s->origin == SUBMISSION_AUTH && !submission_sender_is_own(s))
		submission_reply(s,
		    SPAN(
			"550 5.7.1 Sender address rejected: not owned by user"));
	if (s->reply.n > 0)
		return;
	if (forged_find(t->fd, t->length, s->conf->hostname,
		submission_note_forged, s) &&
	    submission_read_header(s, t)) {
		submission_check_header(s);
	} else if (s->reply.n == 0) {
		warn_sys("cannot read the message");
		submission_reply(s, ADVISE_LOCAL_ERROR);
	}
}

static void
submission_text(void *context, const struct advise_text *t)
{
	struct submission *s = context;

	look_at_message(s, t);
	if (s->reply.n == 0)
		advise_on(s);
	else if (s->reply.p[0] == '4')
		advise_later(s->reply);
	else
		advise_refuse(s->reply);
}

const struct adviser submission_adviser = {
	.begin = submission_begin,
	.fact = submission_fact,
	.sender = submission_sender,
	.field = submission_fields,
	.text = submission_text,
};

/* --- which sender addresses belong to an authenticated user ---------------- */

bool
author_init(struct author *a, const struct conf *conf, struct span name)
{
	if (name.n == 0 || name.n > AUTHOR_NAME_MAX)
		return false;
	a->conf = conf;
	memcpy(a->name, name.p, name.n);
	a->name[name.n] = '\0';
	sbuf_init(&a->senders, AUTHOR_SENDERS_MAX);
	return true;
}

static void
author_take_line(struct author *a, struct span line)
{
	struct span word;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	word = span_word(&line);
	if (word.n == 0 || word.p[0] == '#' ||
	    !span_eq(word, span_str(a->name)))
		return;
	while ((word = span_word(&line)).n > 0) {
		sbuf_addspan(&a->senders, word);
		sbuf_putc(&a->senders, ' ');
	}
}

bool
author_read(struct author *a, struct span file)
{
	while (file.n > 0)
		author_take_line(a, span_cut(&file, '\n'));
	return !a->senders.bad;
}

void
author_free(struct author *a)
{
	sbuf_free(&a->senders);
	a->conf = NULL;
}

/* The local-part without "+detail". */
static struct span
author_mailbox(struct span local)
{
	return span_of(local.p, span_find(local, '+'));
}

static bool
author_is_own(const struct author *a, const struct address *x)
{
	struct span name = span_str(a->name);
	size_t at = span_rfind(name, '@');

	if (!span_ieq(author_mailbox(x->local), span_of(name.p, at)) &&
	    !span_ieq(x->local, span_of(name.p, at)))
		return false;
	if (at < name.n)
		return span_ieq(x->domain, span_skip(name, at + 1));
	return conf_has_domain(a->conf->local_domains, x->domain);
}

static bool
author_matches(struct span pattern, const struct address *x)
{
	if (span_eq(pattern, SPAN("*")))
		return true;
	if (pattern.p[0] == '@')
		return span_ieq(span_skip(pattern, 1), x->domain);
	return span_ieq(pattern, x->whole);
}

bool
author_may_send(const struct author *a, const struct address *x)
{
	struct span rest = sbuf_span(&a->senders), pattern;

	if (author_is_own(a, x))
		return true;
	while ((pattern = span_word(&rest)).n > 0)
		if (author_matches(pattern, x))
			return true;
	return false;
}

bool
author_may_write(const struct author *a, struct span list)
{
	char mem[ONE_MAX];
	struct sbuf one = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};
	enum addrlist_event e;
	struct addrlist l;
	struct address x;
	bool any = false;

	addrlist_init(&l, list);
	while ((e = addrlist_next(&l, &one)) == ADDRLIST_ADDRESS) {
		if (address_mailbox(sbuf_span(&one), &x) != ADDRESS_OK ||
		    !author_may_send(a, &x))
			return false;
		any = true;
	}
	return any && e == ADDRLIST_END;
}

void
author_address(const struct author *a, struct sbuf *out)
{
	struct span domains = span_str(a->conf->local_domains);

	sbuf_adds(out, a->name);
	if (strchr(a->name, '@') != NULL)
		return;
	sbuf_putc(out, '@');
	sbuf_addspan(out, span_word(&domains));
}
