/* SPDX-License-Identifier: ISC */
/* AUTH: one exchange of PLAIN or LOGIN, and its end. */
#include "action.h"
#include "auth.h"
#include "sasl.h"
#include "session.h"

#define USERNAME "VXNlcm5hbWU6" /* base64 of "Username:" */
#define PASSWORD "UGFzc3dvcmQ6"

static bool
is_secret(const struct session *s)
{
	return session_is_secure(s) ||
	    strcmp(s->conf->auth_without_tls, "yes") == 0;
}

bool
auth_is_possible(const struct conf *conf)
{
	return conf->tls_cert[0] != '\0' ||
	    strcmp(conf->auth_without_tls, "yes") == 0;
}

bool
auth_is_offered(const struct session *s)
{
	return s->auth.state == LINK_UP && s->user[0] == '\0' && is_secret(s);
}

static void
say_not_now(struct session *s)
{
	reply(&s->reply,
	    "454 4.7.0 Nobody can be authenticated now, try again later");
}

bool
auth_is_missing(struct session *s)
{
	if (!conf_is_submission(s->conf) || s->user[0] != '\0')
		return false;
	if (s->auth.state == LINK_UP)
		reply(&s->reply, "530 5.7.0 Authentication required");
	else
		say_not_now(s);
	return true;
}

/* Whatever was said in this exchange: no later hole may show it. */
static void
wipe_input(struct inbuf *in)
{
	explicit_bzero(in->buf, in->pos);
	explicit_bzero(in->buf + in->len, in->cap - in->len);
}

/* Sends a challenge and reads the response. Replies when there is none. */
static bool
ask(struct session *s, const char *challenge, struct span *line)
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
		reply(&s->reply, "500 5.5.6 Response too long");
		return false;
	case COMMAND_ENDLESS:
		reply(&s->reply, "500 5.5.6 Response too long");
		session_hang_up(s, "endless");
		return false;
	case COMMAND_BARE_CR:
	case COMMAND_BARE_LF:
	case COMMAND_NUL:
		break;
	}
	reply(&s->reply, "501 5.5.2 This is no base64");
	return false;
}

static bool
understood(struct session *s, enum sasl_result r)
{
	switch (r) {
	case SASL_OK:
		return true;
	case SASL_BAD:
		reply(&s->reply,
		    "501 5.5.2 This is no response in base64 as the "
		    "mechanism has it");
		return false;
	case SASL_OTHER:
		break;
	}
	s->auth_failures++;
	reply(&s->reply, "535 5.7.8 Nobody can act as somebody else here");
	return false;
}

/* The response to a challenge, unless it came with the command. */
static bool
response(struct session *s, const char *challenge, struct span *initial)
{
	if (initial->n == 0)
		return ask(s, challenge, initial);
	if (span_eq(*initial, SPAN("=")))
		*initial = SPAN(""); /* RFC 4954 section 4 */
	return true;
}

static bool
plain(struct session *s, struct span initial, struct sbuf *secret)
{
	return response(s, "", &initial) &&
	    understood(s, sasl_plain(secret, initial));
}

static bool
login(struct session *s, struct span initial, struct sbuf *secret)
{
	struct span password;

	if (!response(s, USERNAME, &initial) ||
	    !understood(s, sasl_login(secret, initial)))
		return false;
	sbuf_putc(secret, '\0');
	return ask(s, PASSWORD, &password) &&
	    understood(s, sasl_login(secret, password));
}

/*
 * From here on all mail goes over this connection, and the way for strangers
 * is closed: whose it is was said there before it became ours.
 */
static void
succeed(struct session *s, struct span user, int entrance)
{
	memcpy(s->user, user.p, user.n);
	s->user[user.n] = '\0';
	link_close(&s->auth);
	inject_adopt(&s->inject, entrance);
	reply(&s->reply, "235 2.7.0 Authentication succeeded");
}

/* Without an answer, or after one that is none. */
static void
give_up(struct session *s)
{
	link_close(&s->auth);
	say_not_now(s);
}

static void
tell(struct session *s, struct span secret)
{
	char mem[sizeof("ip=") + IP_TEXT], ip[IP_TEXT];
	struct sbuf fact = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	ip_text(&s->ip, ip);
	sbuf_adds(&fact, "ip=");
	sbuf_adds(&fact, ip);
	if (s->ip.size != 0)
		link_send(&s->auth, 'C', sbuf_span(&fact));
	link_send_secret(&s->auth, 'P', secret);
}

static void
judge(struct session *s, struct span secret)
{
	struct frame f;
	int fd;

	tell(s, secret);
	if (!link_receive(&s->auth, &f)) {
		give_up(s);
		return;
	}
	fd = link_take_fd(&s->auth);
	if (f.tag == 'K' && fd != -1 && f.payload.n > 0 &&
	    f.payload.n < sizeof(s->user)) {
		succeed(s, f.payload, fd);
		return;
	}
	if ((f.tag == 'X' && reply_is(f.payload, '5')) ||
	    (f.tag == 'Z' && reply_is(f.payload, '4'))) {
		s->auth_failures += f.tag == 'X';
		reply(&s->reply, "%.*s", (int)f.payload.n, f.payload.p);
		session_log_refusal(s, "auth", SPAN(""));
		return;
	}
	link_lose(&s->auth, "an answer that is none");
	give_up(s);
}

static void
exchange(struct session *s, struct span argument, struct sbuf *secret)
{
	struct span mechanism = span_word(&argument);
	bool understands;

	argument = span_trim(argument);
	if (span_word(&(struct span){ argument.p, argument.n }).n !=
	    argument.n) {
		reply(&s->reply, "501 5.5.4 Syntax: AUTH mechanism [response]");
		return;
	}
	if (span_ieq(mechanism, SPAN("PLAIN"))) {
		understands = plain(s, argument, secret);
	} else if (span_ieq(mechanism, SPAN("LOGIN"))) {
		understands = login(s, argument, secret);
	} else {
		reply(&s->reply, "504 5.5.4 Only PLAIN and LOGIN are known");
		return;
	}
	if (understands)
		judge(s, sbuf_span(secret));
}

static bool
may_begin(struct session *s)
{
	if (s->user[0] != '\0')
		reply(&s->reply, "503 5.5.1 You are authenticated already");
	else if (!s->auth_wanted)
		reply(&s->reply, "502 5.5.1 AUTH is not offered");
	else if (s->protocol[0] != 'E')
		reply(&s->reply, "503 5.5.1 AUTH out of order: say EHLO first");
	else if (!is_secret(s))
		reply(&s->reply,
		    "538 5.7.11 Encryption required: say STARTTLS first");
	else if (s->auth.state != LINK_UP)
		say_not_now(s);
	else
		return true;
	return false;
}

void
action_auth(struct session *s, struct span argument)
{
	char mem[SASL_ROOM];
	struct sbuf secret = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	if (may_begin(s))
		exchange(s, argument, &secret);
	explicit_bzero(mem, sizeof(mem));
	wipe_input(&s->in);
}
