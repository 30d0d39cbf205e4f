/* SPDX-License-Identifier: ISC */
/* What a client says of a message goes to the injector while it is said. */
#include "offer.h"

#include "session.h"

/*
 * Who a client is, its socket says: nobody takes a session's word for that.
 * Of a user it is not asked. Under TLS descriptor 0 is still that socket.
 */
static int
peer_to_show(const struct session *s)
{
	bool known = s->local_user || s->user[0] != '\0';

	return known || s->proven.size == 0 ? -1 : 0;
}

static void
begin(struct session *s)
{
	struct inject *i = &s->inject;
	char ip[IP_TEXT];

	inject_begin(i, peer_to_show(s), !s->local_user);
	ip_text(&s->ip, ip);
	if (s->ip.size != 0)
		inject_fact(i, "ip", span_str(ip));
	inject_fact(i, "helo", span_str(s->helo));
	inject_fact(i, "protocol",
	    s->local_user ? SPAN("local") : span_str(session_protocol(s)));
	if (starttls_is_on(s))
		inject_fact(i, "tls", span_str(s->tls.what));
}

/* Replies when what was added last may not be in the message. */
static bool
is_taken(struct session *s)
{
	struct span text;

	switch (inject_ask(&s->inject, &text)) {
	case INJECT_TAKEN:
		return true;
	case INJECT_REFUSED:
		reply(&s->reply, "%.*s", (int)text.n, text.p);
		return false;
	case INJECT_FAILED:
		break;
	}
	reply(&s->reply, SESSION_NO_INJECTOR);
	return false;
}

/* A sender that was refused is offered again with the next recipient. */
static bool
offer_sender(struct session *s)
{
	struct transaction *t = &s->transaction;

	if (!t->offered) {
		inject_add(&s->inject, 'S', span_of(t->sender, t->sender_len));
		t->offered = is_taken(s);
	}
	return t->offered;
}

bool
offer_recipient(struct session *s, struct span rcpt)
{
	if (!inject_is_there(&s->inject)) {
		reply(&s->reply, SESSION_NO_INJECTOR);
		return false;
	}
	if (!s->inject.begun)
		begin(s);
	if (!offer_sender(s))
		return false;
	inject_add(&s->inject, 'R', rcpt);
	return is_taken(s);
}
