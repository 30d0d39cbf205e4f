/* SPDX-License-Identifier: ISC */
/* The life of a session: greeting, commands one by one, the end. */
#include <sys/socket.h>

#include <stdio.h>

#include "log.h"
#include "session.h"

/* How long, and how much, the session still reads after a hang-up. */
#define LINGER_MS 2000
#define LINGER_OCTETS (256 * 1024)

void
session_end(struct session *s, const char *why)
{
	s->end = why;
}

void
session_hang_up(struct session *s, const char *why)
{
	s->end = why;
	s->linger = true;
}

void
session_dismiss(struct session *s, const char *code, const char *text,
    const char *why)
{
	reply(&s->reply, "421 %s %s %s", code, s->conf->hostname, text);
	session_hang_up(s, why);
}

void
session_reset(struct session *s)
{
	transaction_reset(&s->transaction);
	inject_abandon(&s->inject);
	if (s->state != STATE_START)
		s->state = STATE_READY;
}

unsigned
session_errors(const struct session *s)
{
	return s->reply.refused - s->forgiven;
}

const char *
session_protocol(const struct session *s)
{
	if (s->user[0] == '\0')
		return s->protocol;
	return starttls_is_on(s) ? "ESMTPSA" : "ESMTPA";
}

const char *
session_too_big(struct session *s)
{
	(void)snprintf(s->too_big, sizeof(s->too_big),
	    "552 5.3.4 Message size exceeds the limit of %llu octets",
	    (unsigned long long)s->conf->max_size);
	return s->too_big;
}

void
session_log_client(struct logline *l, const struct session *s)
{
	char ip[IP_TEXT];

	ip_text(&s->ip, ip);
	log_str(l, "ip", s->ip.size == 0 ? "unknown" : ip);
	log_str(l, "helo", s->helo);
	if (s->user[0] != '\0')
		log_str(l, "user", s->user);
}

void
session_log_refusal(const struct session *s, const char *stage,
    struct span rcpt)
{
	struct logline l;

	log_begin(&l, NULL, "refused");
	session_log_client(&l, s);
	log_str(&l, "stage", stage);
	log_str(&l, "reply", s->reply.last);
	log_span(&l, "from",
	    span_of(s->transaction.sender, s->transaction.sender_len));
	if (rcpt.n > 0)
		log_span(&l, "rcpt", rcpt);
	log_end(&l);
}

static void
session_log_end(const struct session *s)
{
	struct logline l;

	log_begin(&l, NULL, "session-end");
	session_log_client(&l, s);
	if (starttls_is_on(s))
		log_str(&l, "tls", s->tls.what);
	log_num(&l, "messages", s->messages);
	log_num(&l, "refused", s->reply.refused);
	log_str(&l, "end", s->end);
	log_end(&l);
}

enum io
session_fill(struct session *s, instant deadline)
{
	reply_flush(&s->reply);
	if (s->reply.broken)
		return IO_ERROR;
	return inbuf_fill(&s->in, deadline);
}

void
session_check_input(struct session *s, enum io r, bool in_data)
{
	switch (r) {
	case IO_OK:
		break;
	case IO_EOF:
		session_end(s, in_data ? "eof in data" : "eof");
		break;
	case IO_TIMEOUT:
		reply(&s->reply,
		    "421 4.4.2 %s Timeout exceeded, closing connection",
		    s->conf->hostname);
		session_end(s, in_data ? "timeout in data" : "timeout");
		break;
	case IO_ERROR:
		session_end(s, in_data ? "broken in data" : "broken");
		break;
	}
}

/* Flushes the last reply, abandons an open message, and logs the session. */
static void
session_close(struct session *s)
{
	reply_flush(&s->reply);
	inject_abandon(&s->inject);
	inject_flush(&s->inject);
	session_log_end(s);
}

void
session_stop(struct session *s)
{
	reply(&s->reply, "421 4.3.2 %s Shutting down, try again later",
	    s->conf->hostname);
	session_end(s, "stopped");
	session_close(s);
}

/*
 * The client and the injector get everything that waits for them first. A
 * command has one deadline, whatever pieces it arrives in. A SIGTERM before
 * waiting is set shows in stopping; a later one ends the program in the
 * handler.
 */
static void
session_await_command(struct session *s)
{
	enum io r;

	reply_flush(&s->reply);
	inject_flush(&s->inject);
	if (s->deadline == 0)
		s->deadline = clock_in(s->conf->command_timeout * 1000);
	s->waiting = 1;
	r = s->stopping ? IO_OK : session_fill(s, s->deadline);
	s->waiting = 0;
	session_check_input(s, r, false);
}

/* --- commands that touch no mail ---------------------------------------------- */

/*
 * Real clients send names that are not domains, and RFC 5321 4.1.4 forbids
 * refusing mail for that. Blanks, control characters and excessive length are
 * still errors.
 */
static bool
session_hello(struct session *s, struct span name)
{
	bool fine = name.n <= ADDRESS_DOMAIN_MAX;

	for (size_t i = 0; i < name.n && fine; i++)
		fine = name.p[i] > ' ' && name.p[i] <= '~';
	if (!fine) {
		reply(&s->reply,
		    "501 5.5.4 Invalid domain name or address literal");
		return false;
	}
	memcpy(s->helo, name.p, name.n);
	s->helo[name.n] = '\0';
	session_reset(s);
	s->state = STATE_READY;
	return true;
}

static void
session_ehlo(struct session *s, struct span name)
{
	if (!session_hello(s, name))
		return;
	s->protocol = starttls_is_on(s) ? "ESMTPS" : "ESMTP";
	reply(&s->reply, "250-%s", s->conf->hostname);
	reply(&s->reply, "250-PIPELINING");
	reply(&s->reply, "250-SIZE %llu",
	    (unsigned long long)s->conf->max_size);
	reply(&s->reply, "250-8BITMIME");
	/*
	 * STARTTLS would forget an authenticated user, so it is not allowed
	 * then.
	 */
	if (!starttls_is_on(s) && s->user[0] == '\0' &&
	    starttls_is_ready(&s->tls))
		reply(&s->reply, "250-STARTTLS");
	if (session_auth_is_offered(s))
		reply(&s->reply, "250-AUTH PLAIN LOGIN");
	reply(&s->reply, "250 ENHANCEDSTATUSCODES");
}

static void
session_helo(struct session *s, struct span name)
{
	if (!session_hello(s, name))
		return;
	s->protocol = "SMTP";
	reply(&s->reply, "250 %s", s->conf->hostname);
}

static void
session_rset(struct session *s, struct span argument)
{
	(void)argument;
	session_reset(s);
	reply(&s->reply, "250 2.0.0 Ok");
}

static void
session_http(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "554 5.7.0 This is an SMTP server, not HTTP");
	session_hang_up(s, "http");
}

static void
session_quit(struct session *s, struct span argument)
{
	(void)argument;
	reply(&s->reply, "221 2.0.0 Bye");
	session_end(s, "quit");
}

/* --- the table of commands --------------------------------------------------- */

enum argument { ARGUMENT_NONE, ARGUMENT_SOME, ARGUMENT_ANY };

typedef void action(struct session *, struct span argument);

struct verb {
	const char *name;
	enum argument argument;
	bool at_once;        /* RFC 2920 3.2: its reply is not held back */
	bool idle;           /* moves no mail: see SESSION_IDLE_MAX */
	bool in_clear;       /* allowed before TLS even if TLS is required */
	action *act[STATES]; /* NULL: 503 */
	const char *reply;   /* for a command that does nothing else */
};

/* clang-format off */
#define IN(start, ready, mail, rcpt) { start, ready, mail, rcpt }, NULL
#define ALWAYS(a) IN(a, a, a, a)
#define SAYS(text) { NULL }, text
/* clang-format on */

static const struct verb verbs[] = {
	/* name, argument, at once, idle, in clear, IN(START, READY, MAIL, RCPT) */
	{ "EHLO", ARGUMENT_SOME, true, true, true, ALWAYS(session_ehlo) },
	{ "HELO", ARGUMENT_SOME, true, true, false, ALWAYS(session_helo) },
	{ "STARTTLS", ARGUMENT_NONE, true, true, true,
	    IN(NULL, starttls_command, starttls_command, starttls_command) },
	{ "AUTH", ARGUMENT_SOME, true, true, false,
	    IN(NULL, session_auth, NULL, NULL) },
	{ "MAIL", ARGUMENT_SOME, false, false, false,
	    IN(NULL, transaction_mail, NULL, NULL) },
	{ "RCPT", ARGUMENT_SOME, false, false, false,
	    IN(NULL, NULL, transaction_rcpt, transaction_rcpt) },
	{ "DATA", ARGUMENT_NONE, true, false, false,
	    IN(NULL, NULL, transaction_data_for_nobody, session_data) },
	{ "RSET", ARGUMENT_NONE, false, true, false, ALWAYS(session_rset) },
	{ "NOOP", ARGUMENT_ANY, true, true, true, SAYS("250 2.0.0 Ok") },
	{ "QUIT", ARGUMENT_NONE, true, false, true, ALWAYS(session_quit) },
	{ "VRFY", ARGUMENT_SOME, true, true, false,
	    SAYS("252 2.5.0 Cannot VRFY user, try RCPT to attempt delivery") },
	{ "EXPN", ARGUMENT_ANY, true, true, false,
	    SAYS("502 5.5.1 EXPN is not implemented") },
	{ "HELP", ARGUMENT_ANY, true, true, false,
	    SAYS("214 2.0.0 See RFC 5321, and EHLO for extensions") },

	/* A browser that was tricked into posting here gets no second line. */
	{ "GET", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "POST", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "PUT", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "HEAD", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "PATCH", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "DELETE", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "OPTIONS", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "CONNECT", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
	{ "TRACE", ARGUMENT_ANY, true, false, true, ALWAYS(session_http) },
};

static const struct verb *
session_verb(struct span name)
{
	for (size_t i = 0; i < nitems(verbs); i++)
		if (span_ieq(name, span_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

static void
session_out_of_order(struct session *s)
{
	const char *hint = NULL;

	switch (s->state) {
	case STATE_START:
		hint = "send EHLO or HELO first";
		break;
	case STATE_READY:
		hint = "send MAIL first";
		break;
	case STATE_MAIL:
	case STATE_RCPT:
		hint = "a mail transaction is already open";
		break;
	}
	reply(&s->reply, "503 5.5.1 Bad sequence of commands: %s", hint);
}

/* 530 of RFC 3207 section 4; but 454 if TLS is unavailable on our side. */
static void
session_want_tls(struct session *s)
{
	if (starttls_is_ready(&s->tls))
		reply(&s->reply,
		    "530 5.7.0 Must issue a STARTTLS command first");
	else
		reply(&s->reply,
		    "454 4.7.0 TLS is required but temporarily not available");
}

static void
session_obey(struct session *s, struct span line)
{
	struct span name, argument;
	const struct verb *v;

	command_split(line, &name, &argument);
	v = session_verb(name);
	if (v == NULL) {
		reply(&s->reply, "500 5.5.2 Command not recognized");
		return;
	}
	s->idle += v->idle;
	if (!v->in_clear && starttls_is_missing(s))
		session_want_tls(s);
	else if (v->argument == ARGUMENT_NONE && argument.n > 0)
		reply(&s->reply, "501 5.5.4 %s takes no arguments", v->name);
	else if (v->argument == ARGUMENT_SOME && argument.n == 0)
		reply(&s->reply, "501 5.5.4 %s requires an argument", v->name);
	else if (v->reply != NULL)
		reply(&s->reply, "%s", v->reply);
	else if (v->act[s->state] == NULL)
		session_out_of_order(s);
	else
		v->act[s->state](s, argument);
	if (v->at_once)
		reply_flush(&s->reply);
}

/* --- one command after the other ------------------------------------------------- */

/*
 * Ends sessions that make too many errors or only pass time. A client that has
 * recipients already may still send its message: see transaction_may_take.
 */
static bool
session_is_bearable(struct session *s)
{
	unsigned errors = session_errors(s);
	uint64_t max = s->conf->max_errors;

	if (errors >= max * (s->state == STATE_RCPT ? 2 : 1)) {
		session_dismiss(s, "4.7.0",
		    "Too many errors, closing connection", "errors");
	} else if (s->auth_failures >= SESSION_AUTH_FAILURES_MAX) {
		session_dismiss(s, "4.7.0",
		    "Too many failed authentication attempts",
		    "authentication");
	} else if (s->idle > SESSION_IDLE_MAX) {
		session_dismiss(s, "4.7.0", "Too many commands without mail",
		    "idle");
	}
	return s->end == NULL;
}

static const char *
session_fault(enum command_event why)
{
	switch (why) {
	case COMMAND_MORE:
	case COMMAND_LINE:
		break;
	case COMMAND_LONG:
	case COMMAND_ENDLESS:
		return "500 5.5.2 Line too long";
	case COMMAND_BARE_CR:
		return "500 5.5.2 Bare CR in command line";
	case COMMAND_BARE_LF:
		return "500 5.5.2 Bare LF in command line";
	case COMMAND_NUL:
		return "500 5.5.2 NUL in command line";
	}
	return "500 5.5.2 Syntax error";
}

enum command_event
session_line(struct session *s, struct span *line)
{
	enum command_event e = COMMAND_MORE;
	size_t used;

	while (s->end == NULL && !s->stopping) {
		e = command_push(&s->command, inbuf_view(&s->in), &used, line);
		inbuf_take(&s->in, used); /* line stays valid */
		if (e != COMMAND_MORE)
			break;
		session_await_command(s);
	}
	s->deadline = 0;
	return e;
}

static void
session_step(struct session *s)
{
	struct span line = SPAN("");
	enum command_event e = session_line(s, &line);

	if (e == COMMAND_MORE || !session_is_bearable(s))
		return;
	if (e == COMMAND_LINE) {
		session_obey(s, line);
		return;
	}
	reply(&s->reply, "%s", session_fault(e));
	if (e == COMMAND_ENDLESS)
		session_hang_up(s, "endless");
}

/*
 * A client that talks before the greeting does not speak SMTP, or ignores
 * replies. (A client that is gone already gets nothing.) Scripts of local
 * users may have written their whole input already.
 */
static void
session_greet(struct session *s)
{
	switch (s->local_user ? IO_TIMEOUT : inbuf_fill(&s->in, 0)) {
	case IO_TIMEOUT:
		reply(&s->reply, "220 %s ESMTP", s->conf->hostname);
		break;
	case IO_OK:
		reply(&s->reply,
		    "554 5.5.1 %s Protocol error: client spoke before the greeting",
		    s->conf->hostname);
		session_hang_up(s, "early");
		break;
	case IO_EOF:
		session_end(s, "eof");
		break;
	case IO_ERROR:
		session_end(s, "broken");
		break;
	}
}

/* A client that expects TLS cannot read a reply in clear text. */
static bool
session_start_secure(struct session *s)
{
	if (starttls_is_ready(&s->tls))
		return starttls_begin(s);
	warn("TLS is not available: the connection is refused");
	session_end(s, "no tls");
	return false;
}

/*
 * Closing a TCP socket that holds unread octets resets the connection, and the
 * client may lose the last reply. So the session reads for a while first.
 */
static void
session_linger(struct session *s)
{
	instant deadline = clock_in(LINGER_MS);
	size_t octets = 0;

	if (shutdown(s->reply.out.fd, SHUT_WR) == -1)
		return;
	do {
		inbuf_take(&s->in, s->in.len - s->in.pos);
		if (inbuf_fill(&s->in, deadline) != IO_OK)
			return;
		octets += s->in.len;
	} while (octets < LINGER_OCTETS);
}

void
session_run(struct session *s)
{
	s->transaction.rcpts = s->rcpts;
	inbuf_init(&s->in, 0, s->inmem, sizeof(s->inmem));
	reply_init(&s->reply, 1, s->conf->command_timeout * 1000);
	if (!starttls_comes_first(s) || session_start_secure(s))
		session_greet(s);
	while (s->end == NULL) {
		if (s->stopping) {
			session_stop(s);
			return;
		}
		session_step(s);
	}
	session_close(s);
	if (s->linger && !s->reply.broken)
		session_linger(s);
}
