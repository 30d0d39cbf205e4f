/* SPDX-License-Identifier: ISC */
/* The life of a session: greeting, commands one by one, the end. */
#include <sys/socket.h>

#include <stdio.h>

#include "auth.h"
#include "log.h"
#include "session.h"

/* How long, and for how much, a client is read that was told to go. */
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
	return session_is_secure(s) ? "ESMTPSA" : "ESMTPA";
}

const char *
session_too_big(struct session *s)
{
	(void)snprintf(s->too_big, sizeof(s->too_big),
	    "552 5.3.4 Message of more than %llu octets",
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
log_session(const struct session *s)
{
	struct logline l;

	log_begin(&l, NULL, "session-end");
	session_log_client(&l, s);
	if (session_is_secure(s))
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

/* The last words: to the client, to the injector, in the log. */
static void
close_session(struct session *s)
{
	reply_flush(&s->reply);
	inject_abandon(&s->inject);
	inject_flush(&s->inject);
	log_session(s);
}

void
session_stop(struct session *s)
{
	reply(&s->reply, "421 4.3.2 %s goes down, try again later",
	    s->conf->hostname);
	session_end(s, "stopped");
	close_session(s);
}

/*
 * The client and the injector get all there is for them before we wait. One
 * deadline for a whole command, however it comes. SIGTERM before waiting
 * is set shows in stopping, one after it ends the program in the handler.
 */
static void
await_command(struct session *s)
{
	enum io r;

	reply_flush(&s->reply);
	inject_flush(&s->inject);
	if (s->deadline == 0)
		s->deadline = clock_in(s->conf->command_timeout * 1000);
	s->waiting = 1;
	r = s->stopping ? IO_OK : session_fill(s, s->deadline);
	s->waiting = 0;
	switch (r) {
	case IO_OK:
		break;
	case IO_EOF:
		session_end(s, "eof");
		break;
	case IO_TIMEOUT:
		reply(&s->reply, "421 4.4.2 %s has waited long enough",
		    s->conf->hostname);
		session_end(s, "timeout");
		break;
	case IO_ERROR:
		session_end(s, "broken");
		break;
	}
}

/*
 * Clients that only make errors, or only pass time. One that has recipients
 * already may still give its message: see may_take in transaction.c.
 */
static bool
is_bearable(struct session *s)
{
	unsigned errors = session_errors(s);
	uint64_t max = s->conf->max_errors;

	if (errors >= max * (s->state == STATE_RCPT ? 2 : 1)) {
		reply(&s->reply, "421 4.7.0 %s has seen too many errors",
		    s->conf->hostname);
		session_hang_up(s, "errors");
	} else if (s->auth_failures >= AUTH_FAILURES_MAX) {
		reply(&s->reply,
		    "421 4.7.0 %s has seen too many failed authentications",
		    s->conf->hostname);
		session_hang_up(s, "authentication");
	} else if (s->idle > SESSION_IDLE_MAX) {
		reply(&s->reply,
		    "421 4.7.0 %s has seen too many commands "
		    "and no mail",
		    s->conf->hostname);
		session_hang_up(s, "idle");
	}
	return s->end == NULL;
}

static const char *
fault(enum command_event why)
{
	switch (why) {
	case COMMAND_MORE:
	case COMMAND_LINE:
		break;
	case COMMAND_LONG:
	case COMMAND_ENDLESS:
		return "500 5.5.2 Line too long";
	case COMMAND_BARE_CR:
		return "500 5.5.2 A CR without LF in the line";
	case COMMAND_BARE_LF:
		return "500 5.5.2 A LF without CR in the line";
	case COMMAND_NUL:
		return "500 5.5.2 A NUL in the line";
	}
	return "500 5.5.2 Bad line";
}

enum command_event
session_line(struct session *s, struct span *line)
{
	enum command_event e = COMMAND_MORE;
	size_t used;

	while (s->end == NULL && !s->stopping) {
		e = command_push(&s->command, inbuf_view(&s->in), &used, line);
		inbuf_take(&s->in, used); /* line stays where it is */
		if (e != COMMAND_MORE)
			break;
		await_command(s);
	}
	s->deadline = 0;
	return e;
}

static void
step(struct session *s)
{
	struct span line = SPAN("");
	enum command_event e = session_line(s, &line);

	if (e == COMMAND_MORE || !is_bearable(s))
		return;
	if (e == COMMAND_LINE) {
		state_obey(s, line);
		return;
	}
	reply(&s->reply, "%s", fault(e));
	if (e == COMMAND_ENDLESS)
		session_hang_up(s, "endless");
}

/*
 * Who talks before the greeting does not speak SMTP, or does not listen. (A
 * client that is gone already has nothing to read.) Scripts of local users may
 * have written all they have to say.
 */
static void
greet(struct session *s)
{
	switch (s->local_user ? IO_TIMEOUT : inbuf_fill(&s->in, 0)) {
	case IO_TIMEOUT:
		reply(&s->reply, "220 %s ESMTP", s->conf->hostname);
		break;
	case IO_OK:
		reply(&s->reply, "554 5.5.1 %s speaks first",
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

/* There is no word for it: what is said here in clear nobody understands. */
static bool
start_secure(struct session *s)
{
	if (starttls_is_ready(&s->tls))
		return session_secure(s);
	warn("TLS is not available: the connection is refused");
	session_end(s, "no tls");
	return false;
}

/*
 * Closing a TCP socket that holds unread octets resets the connection, and
 * the client may lose our last reply: read for a while first.
 */
static void
linger(struct session *s)
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
	if (!session_starts_secure(s) || start_secure(s))
		greet(s);
	while (s->end == NULL) {
		if (s->stopping) {
			session_stop(s);
			return;
		}
		step(s);
	}
	close_session(s);
	if (s->linger && !s->reply.broken)
		linger(s);
}
