/* SPDX-License-Identifier: ISC */
/* MAIL and RCPT: parses the envelope and decides what is accepted. */
#include "relay.h"
#include "session.h"

void
transaction_reset(struct transaction *t)
{
	t->accepted = t->kept = 0;
	t->deferred = t->tried = t->offered = false;
	t->sender_len = t->rcpts_len = 0;
}

bool
transaction_next(struct span *rest, struct span *rcpt)
{
	*rcpt = span_cut(rest, '\n');
	return rcpt->n > 0;
}

struct span
transaction_path(struct span rcpt)
{
	return span_skip(rcpt, span_find(rcpt, ' ') + 1);
}

bool
transaction_is_to(const struct transaction *t, struct span address)
{
	struct span rest = transaction_rcpts(t), rcpt;

	while (transaction_next(&rest, &rcpt)) {
		struct span path = transaction_path(rcpt);

		if (span_ieq(address, span_of(path.p + 1, path.n - 2)))
			return true;
	}
	return false;
}

/* --- MAIL and RCPT ------------------------------------------------------------ */

static void
transaction_complain_address(struct reply *r, enum address_result why,
    const char *subject)
{
	switch (why) {
	case ADDRESS_OK:
	case ADDRESS_SYNTAX:
		reply(r, "501 %s Bad address syntax", subject);
		break;
	case ADDRESS_LOCAL_TOO_LONG:
		reply(r, "501 %s Local part is longer than %d octets", subject,
		    ADDRESS_LOCAL_MAX);
		break;
	case ADDRESS_DOMAIN_TOO_LONG:
		reply(r, "501 %s Domain is longer than %d octets", subject,
		    ADDRESS_DOMAIN_MAX);
		break;
	case ADDRESS_PATH_TOO_LONG:
		reply(r, "501 %s Path is longer than %d octets", subject,
		    ADDRESS_PATH_MAX);
		break;
	case ADDRESS_UTF8:
		reply(r,
		    "553 5.6.7 Address must be ASCII, SMTPUTF8 is not supported");
		break;
	}
}

static void
transaction_complain_parameter(struct reply *r, enum parameter_result why)
{
	switch (why) {
	case PARAMETER_OK:
		break;
	case PARAMETER_UNKNOWN:
		reply(r, "555 5.5.4 Parameter not recognized");
		break;
	case PARAMETER_SYNTAX:
		reply(r, "501 5.5.4 Malformed parameter");
		break;
	case PARAMETER_TWICE:
		reply(r, "501 5.5.4 Duplicate parameter");
		break;
	case PARAMETER_BAD_SIZE:
		reply(r, "501 5.5.4 SIZE must be a number of up to 20 digits");
		break;
	case PARAMETER_BAD_BODY:
		reply(r, "501 5.5.4 BODY must be 7BIT or 8BITMIME");
		break;
	case PARAMETER_BAD_AUTH:
		reply(r, "501 5.5.4 AUTH must be <> or an xtext");
		break;
	}
}

/*
 * Takes the keyword and the path off *argument, and leaves the parameters.
 * Blanks after the colon are wrong, but common.
 */
static bool
transaction_take_path(struct reply *r, struct span *argument, bool forward,
    struct address *a)
{
	struct span keyword = forward ? SPAN("TO:") : SPAN("FROM:");
	enum address_result why;

	if (!span_istarts(*argument, keyword)) {
		reply(r, "501 5.5.4 Syntax: %s",
		    forward ? "RCPT TO:<address>" : "MAIL FROM:<address>");
		return false;
	}
	*argument = span_trim(span_skip(*argument, keyword.n));
	why = address_path(argument,
	    forward ? ADDRESS_FORWARD : ADDRESS_REVERSE, a);
	if (why == ADDRESS_OK && argument->n > 0 &&
	    !ascii_isblank(argument->p[0]))
		why = ADDRESS_SYNTAX;
	if (why != ADDRESS_OK)
		transaction_complain_address(r, why,
		    forward ? "5.1.3" : "5.1.7");
	return why == ADDRESS_OK;
}

/* Can the session take a message now? If not, replies. */
static bool
transaction_can_begin(struct session *s)
{
	if (s->inject.link.state == LINK_LOST || s->lookup.state == LINK_LOST) {
		/*
		 * This session can connect to nothing any more; a fresh one
		 * can.
		 */
		session_dismiss(s, "4.3.0",
		    "Temporary server error, reconnect and try again",
		    "helper");
		return false;
	}
	if (s->inject.link.state == LINK_NEVER) {
		reply(&s->reply, SESSION_NO_INJECTOR);
		return false;
	}
	if (s->messages >= s->conf->max_messages) {
		reply(&s->reply,
		    "421 4.7.0 %s Limit of %llu messages per session, reconnect",
		    s->conf->hostname,
		    (unsigned long long)s->conf->max_messages);
		session_hang_up(s, "messages");
		return false;
	}
	return true;
}

/*
 * AUTH names the author, and no client is trusted with that: RFC 4954 section
 * 5.
 */
static void
transaction_keep_parameter(struct sbuf *sender, struct span parameter)
{
	if (span_istarts(parameter, SPAN("AUTH=")))
		return;
	sbuf_putc(sender, ' ');
	sbuf_addspan(sender, parameter);
}

void
transaction_mail(struct session *s, struct span argument)
{
	struct transaction *t = &s->transaction;
	struct sbuf sender = SBUF_IN(t->sender);
	enum parameter_result why;
	struct parameters p;
	struct address a;

	if (session_auth_is_missing(s) || !transaction_can_begin(s) ||
	    !transaction_take_path(&s->reply, &argument, false, &a))
		return;
	why = parameter_mail(argument, &p);
	if (why != PARAMETER_OK) {
		transaction_complain_parameter(&s->reply, why);
		return;
	}
	if (p.size > s->conf->max_size) {
		reply(&s->reply, "%s", session_too_big(s));
		return;
	}
	sbuf_putc(&sender, '<');
	sbuf_addspan(&sender, a.whole);
	sbuf_putc(&sender, '>');
	while ((argument = span_trim(argument)).n > 0)
		transaction_keep_parameter(&sender, span_word(&argument));
	t->sender_len = sender.len;
	s->state = STATE_MAIL;
	reply(&s->reply, "250 2.1.0 Sender ok");
}

/* Composes the payload of R. */
static void
transaction_describe(struct sbuf *b, const struct session *s,
    const struct address *a, bool local)
{
	struct span domains = span_str(s->conf->local_domains);

	sbuf_adds(b, local ? "local <" : "remote <");
	sbuf_addspan(b, a->whole);
	if (a->domain.n == 0) {
		sbuf_putc(b, '@');
		sbuf_addspan(b, span_word(&domains));
	}
	sbuf_putc(b, '>');
}

static bool
transaction_has(const struct transaction *t, struct span rcpt)
{
	struct span rest = transaction_rcpts(t), one;

	while (transaction_next(&rest, &one))
		if (span_eq(one, rcpt))
			return true;
	return false;
}

/* Did a helper say yes? If not, replies: as it said, or with failed. */
static bool
transaction_passes(struct session *s, enum link_answer a, struct span text,
    const char *failed)
{
	if (a == LINK_REFUSED)
		reply(&s->reply, "%.*s", (int)text.n, text.p);
	else if (a == LINK_FAILED)
		reply(&s->reply, "%s", failed);
	return a == LINK_YES;
}

/*
 * Asks smtpd-rcpt, and refuses the recipient if it refuses or does not answer.
 * It is not asked for a local user, whose bad recipients bounce later.
 */
static bool
transaction_is_wanted(struct session *s, struct span rcpt)
{
	enum link_answer a = LINK_YES;
	struct span text = SPAN("");

	if (!s->local_user)
		a = link_ask(&s->lookup, 'Q', transaction_path(rcpt), &text);
	return transaction_passes(s, a, text,
	    "451 4.3.0 Temporary recipient lookup failure, try again later");
}

/* Makes the decisions about one recipient, in order; replies if refused. */
static bool
transaction_may_take(struct session *s, const struct address *a,
    struct sbuf *rcpt)
{
	struct transaction *t = &s->transaction;
	bool known = s->local_user || s->user[0] != '\0';
	enum relay_verdict v = known ? relay_for_user(s->conf, a) :
				       relay_decide(s->conf, &s->proven, a);

	if (v == RELAY_DENIED) {
		reply(&s->reply, "550 5.7.1 Relay access denied");
		return false;
	}
	/*
	 * After max_errors a transaction that has recipients is not cut: the
	 * client would send all of it again, for ever.
	 */
	if (t->accepted >= s->conf->max_recipients ||
	    session_errors(s) >= s->conf->max_errors) {
		reply(&s->reply,
		    "452 4.5.3 Too many recipients, send the rest again");
		return false;
	}
	transaction_describe(rcpt, s, a, v == RELAY_LOCAL);
	if (v == RELAY_LOCAL && !transaction_has(t, sbuf_span(rcpt)) &&
	    !transaction_is_wanted(s, sbuf_span(rcpt)))
		return false;
	return true;
}

/* --- what the injector hears while the client says it ------------------------ */

/*
 * The injector reads the client's address from its socket, and not from what a
 * session says. A user's address does not matter. Under TLS descriptor 0 is
 * still that socket.
 */
static int
transaction_peer(const struct session *s)
{
	bool known = s->local_user || s->user[0] != '\0';

	return known || s->proven.size == 0 ? -1 : 0;
}

static void
transaction_open(struct session *s)
{
	struct inject *i = &s->inject;
	char ip[IP_TEXT];

	inject_begin(i, transaction_peer(s), !s->local_user);
	ip_text(&s->ip, ip);
	if (s->ip.size != 0)
		inject_fact(i, "ip", span_str(ip));
	inject_fact(i, "helo", span_str(s->helo));
	inject_fact(i, "protocol",
	    s->local_user ? SPAN("local") : span_str(session_protocol(s)));
	if (starttls_is_on(s))
		inject_fact(i, "tls", span_str(s->tls.what));
}

/* May the sender or recipient that was added last be in the message? */
static bool
transaction_is_taken(struct session *s)
{
	struct span text = SPAN("");
	enum link_answer a = inject_ask(&s->inject, &text);

	return transaction_passes(s, a, text, SESSION_NO_INJECTOR);
}

/* A refused sender is offered again with the next recipient. */
static bool
transaction_offer_sender(struct session *s)
{
	struct transaction *t = &s->transaction;

	if (!t->offered) {
		inject_add(&s->inject, 'S', span_of(t->sender, t->sender_len));
		t->offered = transaction_is_taken(s);
	}
	return t->offered;
}

static bool
transaction_offer_recipient(struct session *s, struct span rcpt)
{
	if (!inject_is_there(&s->inject)) {
		reply(&s->reply, SESSION_NO_INJECTOR);
		return false;
	}
	if (!s->inject.begun)
		transaction_open(s);
	if (!transaction_offer_sender(s))
		return false;
	inject_add(&s->inject, 'R', rcpt);
	return transaction_is_taken(s);
}

/* --- RCPT -------------------------------------------------------------------- */

/* A duplicate is counted, but neither stored nor offered again. */
static bool
transaction_take(struct session *s, struct span rcpt)
{
	struct transaction *t = &s->transaction;

	if (!transaction_has(t, rcpt)) {
		if (!transaction_offer_recipient(s, rcpt))
			return false;
		t->kept++;
		memcpy(t->rcpts + t->rcpts_len, rcpt.p, rcpt.n);
		t->rcpts_len += rcpt.n;
		t->rcpts[t->rcpts_len++] = '\n';
	}
	t->accepted++;
	return true;
}

void
transaction_rcpt(struct session *s, struct span argument)
{
	char mem[TRANSACTION_RCPT_MAX];
	struct sbuf rcpt = SBUF_IN(mem);
	enum parameter_result why;
	struct address a;

	s->transaction.tried = true;
	if (!transaction_take_path(&s->reply, &argument, true, &a))
		return;
	why = parameter_rcpt(argument);
	if (why != PARAMETER_OK) {
		transaction_complain_parameter(&s->reply, why);
		return;
	}
	if (!transaction_may_take(s, &a, &rcpt) ||
	    !transaction_take(s, sbuf_span(&rcpt))) {
		s->transaction.deferred |= s->reply.last[0] == '4';
		session_log_refusal(s, "rcpt", a.whole);
		return;
	}
	s->state = STATE_RCPT;
	reply(&s->reply, "250 2.1.5 Recipient ok");
}

/*
 * A pipelining client sends DATA before it has read the replies to RCPT. If a
 * recipient was deferred, DATA must not fail permanently.
 */
void
transaction_data_for_nobody(struct session *s, struct span argument)
{
	(void)argument;
	if (s->transaction.deferred)
		reply(&s->reply,
		    "451 4.3.0 No valid recipients, try again later");
	else if (s->transaction.tried)
		reply(&s->reply, "554 5.5.1 No valid recipients");
	else
		reply(&s->reply,
		    "503 5.5.1 Bad sequence of commands: send RCPT first");
}
