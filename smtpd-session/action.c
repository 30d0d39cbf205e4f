/* SPDX-License-Identifier: ISC */
/* The commands that touch no mail. */
#include "action.h"
#include "auth.h"
#include "session.h"

/*
 * Real clients send names that are no domains, and RFC 5321 4.1.4 forbids to
 * refuse mail for that; but what has blanks, controls or no end is no name.
 */
static bool
hello(struct session *s, struct span name)
{
	bool fine = name.n <= ADDRESS_DOMAIN_MAX;

	for (size_t i = 0; i < name.n && fine; i++)
		fine = name.p[i] > ' ' && name.p[i] <= '~';
	if (!fine) {
		reply(&s->reply,
		    "501 5.5.4 This is no domain and no address "
		    "literal");
		return false;
	}
	memcpy(s->helo, name.p, name.n);
	s->helo[name.n] = '\0';
	session_reset(s);
	s->state = STATE_READY;
	return true;
}

void
action_ehlo(struct session *s, struct span name)
{
	if (!hello(s, name))
		return;
	s->protocol = session_is_secure(s) ? "ESMTPS" : "ESMTP";
	reply(&s->reply, "250-%s", s->conf->hostname);
	reply(&s->reply, "250-PIPELINING");
	reply(&s->reply, "250-SIZE %llu",
	    (unsigned long long)s->conf->max_size);
	reply(&s->reply, "250-8BITMIME");
	/* Who has logged in would lose it by STARTTLS, and is refused that. */
	if (!session_is_secure(s) && s->user[0] == '\0' &&
	    starttls_is_ready(&s->tls))
		reply(&s->reply, "250-STARTTLS");
	if (auth_is_offered(s))
		reply(&s->reply, "250-AUTH PLAIN LOGIN");
	reply(&s->reply, "250 ENHANCEDSTATUSCODES");
}

void
action_helo(struct session *s, struct span name)
{
	if (!hello(s, name))
		return;
	s->protocol = "SMTP";
	reply(&s->reply, "250 %s", s->conf->hostname);
}

void
action_rset(struct session *s, struct span argument)
{
	(void)argument;
	session_reset(s);
	reply(&s->reply, "250 2.0.0 Reset");
}

void
action_noop(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "250 2.0.0 Nothing done");
}

void
action_vrfy(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "252 2.5.0 Send mail to it and see");
}

void
action_expn(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "502 5.5.1 Lists are not shown");
}

void
action_help(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply,
	    "214 2.0.0 This is SMTP as in RFC 5321; EHLO lists "
	    "the extensions");
}

void
action_http(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "554 5.7.0 This is SMTP, not HTTP");
	session_hang_up(s, "http");
}

void
action_quit(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "221 2.0.0 %s closes the connection",
	    s->conf->hostname);
	session_end(s, "quit");
}
