/* SPDX-License-Identifier: ISC */
/* AUTH: one exchange of PLAIN or LOGIN, and its end. */
#include "sasl.h"
#include "session.h"

#define USERNAME "VXNlcm5hbWU6" /* base64 of "Username:" */
#define PASSWORD "UGFzc3dvcmQ6"

static bool
session_auth_is_private(const struct session *s)
{
	return starttls_is_on(s) || s->conf->auth_without_tls;
}

bool
session_auth_is_possible(const struct conf *conf)
{
	return conf->tls_cert[0] != '\0' || conf->auth_without_tls;
}

bool
session_auth_is_offered(const struct session *s)
{
	return s->auth.state == LINK_UP && s->user[0] == '\0' &&
	    session_auth_is_private(s);
}

static void
session_auth_reply_not_now(struct session *s)
{
	reply(&s->reply,
	    "454 4.7.0 Temporary authentication failure, try again later");
}

bool
session_auth_is_missing(struct session *s)
{
	if (!conf_is_submission(s->conf) || s->user[0] != '\0')
		return false;
	if (s->auth.state == LINK_UP)
		reply(&s->reply, "530 5.7.0 Authentication required");
	else
		session_auth_reply_not_now(s);
	return true;
}

/* Wipes the octets of this exchange, so that no later bug can leak them. */
static void
session_auth_wipe(struct inbuf *in)
{
	explicit_bzero(in->buf, in->pos);
	explicit_bzero(in->buf + in->len, in->cap - in->len);
}

/* Sends a challenge and reads the response. Replies if there is no response. */
static bool
session_auth_challenge(struct session *s, const char *challenge,
    struct span *line)
{
	reply(&s->reply, "334 %s", challenge);
	s->command.sasl = true;
	switch (session_line(s, line)) {
	case COMMAND_LINE:
		if (!sasl_is_cancel(*line))
			return true;
		reply(&s->reply, "501 5.7.0 Authentication cancelled");
		return false;
	case COMMAND_MORE:
		return false; /* the session is over */
	case COMMAND_LONG:
		reply(&s->reply,
		    "500 5.5.6 Authentication exchange line is too long");
		return false;
	case COMMAND_ENDLESS:
		reply(&s->reply,
		    "500 5.5.6 Authentication exchange line is too long");
		session_hang_up(s, "endless");
		return false;
	case COMMAND_BARE_CR:
	case COMMAND_BARE_LF:
	case COMMAND_NUL:
		break;
	}
	reply(&s->reply,
	    "501 5.5.2 Authentication response is not valid base64");
	return false;
}

static bool
session_auth_understood(struct session *s, enum sasl_result r)
{
	switch (r) {
	case SASL_OK:
		return true;
	case SASL_BAD:
		reply(&s->reply, "501 5.5.2 Malformed authentication response");
		return false;
	case SASL_OTHER:
		break;
	}
	s->auth_failures++;
	reply(&s->reply,
	    "535 5.7.8 Authorization identity must match the user name");
	return false;
}

/* Gets the response to a challenge, unless it came with the command. */
static bool
session_auth_response(struct session *s, const char *challenge,
    struct span *initial)
{
	if (initial->n == 0)
		return session_auth_challenge(s, challenge, initial);
	if (span_eq(*initial, SPAN("=")))
		*initial = SPAN(""); /* RFC 4954 section 4 */
	return true;
}

static bool
session_auth_plain(struct session *s, struct span initial, struct sbuf *secret)
{
	return session_auth_response(s, "", &initial) &&
	    session_auth_understood(s, sasl_plain(secret, initial));
}

static bool
session_auth_login(struct session *s, struct span initial, struct sbuf *secret)
{
	struct span password;

	if (!session_auth_response(s, USERNAME, &initial) ||
	    !session_auth_understood(s, sasl_login(secret, initial)))
		return false;
	sbuf_putc(secret, '\0');
	return session_auth_challenge(s, PASSWORD, &password) &&
	    session_auth_understood(s, sasl_login(secret, password));
}

/*
 * From here on all mail goes over this connection, and the one for strangers
 * is closed. The helper has said on it which user it belongs to.
 */
static void
session_auth_succeed(struct session *s, struct span user, int entrance)
{
	memcpy(s->user, user.p, user.n);
	s->user[user.n] = '\0';
	link_close(&s->auth);
	inject_adopt(&s->inject, entrance);
	reply(&s->reply, "235 2.7.0 Authentication succeeded");
}

/* The helper gave no answer, or a malformed one. */
static void
session_auth_give_up(struct session *s)
{
	link_close(&s->auth);
	session_auth_reply_not_now(s);
}

static void
session_auth_send(struct session *s, struct span secret)
{
	char mem[sizeof("ip=") + IP_TEXT], ip[IP_TEXT];
	struct sbuf fact = SBUF_IN(mem);

	ip_text(&s->ip, ip);
	sbuf_adds(&fact, "ip=");
	sbuf_adds(&fact, ip);
	if (s->ip.size != 0)
		link_send(&s->auth, 'C', sbuf_span(&fact));
	link_send_secret(&s->auth, 'P', secret);
}

static void
session_auth_decide(struct session *s, struct span secret)
{
	struct frame f;
	int fd;

	session_auth_send(s, secret);
	if (!link_receive(&s->auth, &f)) {
		session_auth_give_up(s);
		return;
	}
	fd = link_take_fd(&s->auth);
	if (f.tag == 'K' && fd != -1 && f.payload.n > 0 &&
	    f.payload.n < sizeof(s->user)) {
		session_auth_succeed(s, f.payload, fd);
		return;
	}
	if (link_is_refusal(&f)) {
		s->auth_failures += f.tag == 'X';
		reply(&s->reply, "%.*s", (int)f.payload.n, f.payload.p);
		session_log_refusal(s, "auth", SPAN(""));
		return;
	}
	link_lose(&s->auth, "malformed answer");
	session_auth_give_up(s);
}

static void
session_auth_exchange(struct session *s, struct span argument,
    struct sbuf *secret)
{
	struct span mechanism = span_word(&argument);
	bool understands;

	argument = span_trim(argument);
	if (span_word(&(struct span){ argument.p, argument.n }).n !=
	    argument.n) {
		reply(&s->reply,
		    "501 5.5.4 Syntax: AUTH mechanism [initial-response]");
		return;
	}
	if (span_ieq(mechanism, SPAN("PLAIN"))) {
		understands = session_auth_plain(s, argument, secret);
	} else if (span_ieq(mechanism, SPAN("LOGIN"))) {
		understands = session_auth_login(s, argument, secret);
	} else {
		reply(&s->reply,
		    "504 5.5.4 Unrecognized authentication type, use PLAIN or LOGIN");
		return;
	}
	if (understands)
		session_auth_decide(s, sbuf_span(secret));
}

static bool
session_auth_may_begin(struct session *s)
{
	if (s->user[0] != '\0')
		reply(&s->reply, "503 5.5.1 Already authenticated");
	else if (!s->auth_wanted)
		reply(&s->reply, "502 5.5.1 AUTH is not supported");
	else if (s->protocol[0] != 'E')
		reply(&s->reply,
		    "503 5.5.1 Bad sequence of commands: send EHLO first");
	else if (!session_auth_is_private(s))
		reply(&s->reply,
		    "538 5.7.11 Encryption required, issue STARTTLS first");
	else if (s->auth.state != LINK_UP)
		session_auth_reply_not_now(s);
	else
		return true;
	return false;
}

void
session_auth(struct session *s, struct span argument)
{
	char mem[SASL_ROOM];
	struct sbuf secret = SBUF_IN(mem);

	if (session_auth_may_begin(s))
		session_auth_exchange(s, argument, &secret);
	explicit_bzero(mem, sizeof(mem));
	session_auth_wipe(&s->in);
}
