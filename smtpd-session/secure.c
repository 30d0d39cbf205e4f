/* SPDX-License-Identifier: ISC */
/* TLS in the dialogue: STARTTLS (RFC 3207), and from the first octet. */
#include "action.h"
#include "log.h"
#include "session.h"

bool
session_is_secure(const struct session *s)
{
	return s->tls.state == STARTTLS_ON;
}

bool
session_starts_secure(const struct session *s)
{
	return !s->local_user && strcmp(s->conf->profile, "submissions") == 0;
}

bool
session_lacks_tls(const struct session *s)
{
	return !s->local_user && strcmp(s->conf->require_tls, "yes") == 0 &&
	    !session_is_secure(s);
}

/*
 * RFC 3207 4.2: nothing that was said in clear is known any more. What a
 * third party may have put in front of the client's words is not only
 * forgotten, but gone.
 */
static void
forget(struct session *s, int stream)
{
	session_reset(s);
	s->state = STATE_START;
	explicit_bzero(s->helo, sizeof(s->helo));
	explicit_bzero(&s->transaction.sender, sizeof(s->transaction.sender));
	explicit_bzero(s->inmem, s->in.len);
	s->command = (struct command){ 0 };
	s->protocol = NULL;
	s->deadline = 0;
	inbuf_init(&s->in, stream, s->inmem, sizeof(s->inmem));
	s->reply.out.fd = stream;
}

bool
session_secure(struct session *s)
{
	int stream = starttls_handshake(&s->tls, 0);

	if (stream == -1) {
		struct logline l;

		log_begin(&l, NULL, "tls-failed");
		session_log_client(&l, s);
		log_str(&l, "reason", s->tls.why);
		log_end(&l);
		session_end(s, "tls");
		return false;
	}
	forget(s, stream);
	return true;
}

void
action_starttls(struct session *s, struct span argument)
{
	(void)argument;
	if (s->tls.state == STARTTLS_NONE) {
		reply(&s->reply, "502 5.5.1 TLS is not offered here");
		return;
	}
	if (session_is_secure(s)) {
		reply(&s->reply, "503 5.5.1 TLS is active already");
		return;
	}
	if (s->user[0] != '\0') {
		/* RFC 3207 4.2 would have us forget who it is. */
		reply(&s->reply, "503 5.5.1 STARTTLS comes before AUTH");
		return;
	}
	if (inbuf_view(&s->in).n > 0) {
		/* Who said that, the client or somebody between us? */
		reply(&s->reply, "554 5.5.1 Nothing may follow STARTTLS");
		session_hang_up(s, "octets behind starttls");
		return;
	}
	if (!starttls_is_ready(&s->tls)) {
		reply(&s->reply, "454 4.7.0 TLS not available now");
		return;
	}
	reply(&s->reply, "220 2.0.0 Ready to start TLS");
	reply_flush(&s->reply);
	if (s->reply.broken)
		session_end(s, "broken");
	else
		(void)session_secure(s);
}
