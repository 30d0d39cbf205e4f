/* SPDX-License-Identifier: ISC */
/* One SMTP session: all it knows, and its life from greeting to end. */
#ifndef SESSION_H
#define SESSION_H

#include <signal.h>

#include "cidr.h"
#include "command.h"
#include "conf.h"
#include "inject.h"
#include "lookup.h"
#include "log.h"
#include "reply.h"
#include "starttls.h"
#include "transaction.h"

/*
 * Commands that move no mail (NOOP, RSET, EHLO, ...) since the last message,
 * after which a session ends: it would never end otherwise.
 */
#define SESSION_IDLE_MAX 1000

#define SESSION_USER_MAX 255

/* Wrong passwords that a session may try. */
#define SESSION_AUTH_FAILURES_MAX 3

/* The reply where mail cannot be handed on. */
#define SESSION_NO_INJECTOR "451 4.3.0 Mail queue unavailable, try again later"

/* The text after DATA is no state: the action of DATA reads to its end. */
enum state {
	STATE_START, /* no EHLO or HELO yet */
	STATE_READY, /* no transaction */
	STATE_MAIL,  /* a sender, no recipient that was accepted */
	STATE_RCPT,  /* a sender and recipients */
};
#define STATES 4

/*
 * About 710 KiB, of which an idle session touches the first page only: what
 * it has no use for yet stands behind that, and is used from its front.
 */
struct session {
	const struct conf *conf;
	bool has_client; /* 0 and 1 are one's, in whatever way it came */
	enum state state;
	const char *end; /* why the session is over; NULL: it is not */
	bool linger;     /* over, but the client may not know it */
	bool local_user; /* who called sendmail -bs, and not a stranger */

	struct ip ip;         /* the client, as far as we are told */
	struct ip proven;     /* the same from the socket itself, or unknown */
	const char *protocol; /* SMTP or ESMTP, as the client greeted */
	char helo[ADDRESS_DOMAIN_MAX + 1];
	char user[SESSION_USER_MAX + 1]; /* authenticated; empty: nobody */
	bool auth_wanted; /* somebody is meant to know passwords */
	unsigned auth_failures;

	unsigned idle;     /* see SESSION_IDLE_MAX */
	unsigned messages; /* that were accepted */
	unsigned forgiven; /* errors before the last of them */
	char too_big[80];  /* see session_too_big */

	/*
	 * For the handler of SIGTERM: waiting is set where nothing but
	 * poll(2) and read(2) for the next command is under way; elsewhere
	 * the handler sets stopping.
	 */
	volatile sig_atomic_t waiting, stopping;

	instant deadline; /* of the command that we wait for; 0: not set */
	struct command command;
	struct link lookup; /* to smtpd-rcpt */
	struct link auth;   /* to smtpd-auth */
	struct inject inject;
	struct starttls tls;
	struct inbuf in;
	struct reply reply;
	struct transaction transaction;
	char inmem[32768];
	char rcpts[TRANSACTION_ROOM];
	struct chan lookup_chan, inject_chan, tls_chan, auth_chan;
};

/*
 * Greets and serves the client on 0 and 1 until the session is over. Helpers
 * are dialled and the program is confined before.
 */
void session_run(struct session *);

/* The last word to the client, when SIGTERM comes while we wait. */
void session_stop(struct session *);

/* No further command is read; hang_up: and the client may still be sending. */
void session_end(struct session *, const char *why);
void session_hang_up(struct session *, const char *why);

/* Forgets the transaction, if any, as RSET does. */
void session_reset(struct session *);

/* Writes what waits, then reads more; the one way to get input. */
enum io session_fill(struct session *, instant deadline) MUST_CHECK;

/*
 * The next line, which no deadline has yet. COMMAND_MORE: there is none, the
 * session is over or is to stop. *line lives until the next of these calls.
 */
enum command_event session_line(struct session *, struct span *line);

/* How the mail comes, in the words of RFC 3848. */
const char *session_protocol(const struct session *);

/* Refused commands since the last message that was accepted. */
unsigned session_errors(const struct session *);

/* The reply to a message over max_size. */
const char *session_too_big(struct session *);

/* Appends who the client is. */
void session_log_client(struct logline *, const struct session *);

/* Logs the last reply, a refusal; rcpt may be empty. */
void session_log_refusal(const struct session *, const char *stage,
    struct span rcpt);

/* --- AUTH (RFC 4954), in session-auth.c ------------------------------------ */

/* Can there be a session with these settings that is offered AUTH? */
bool session_auth_is_possible(const struct conf *);

/* Does EHLO say AUTH now? */
bool session_auth_is_offered(const struct session *);

/*
 * Is the client to log in before it may send? Replies when it is. Without a
 * helper to ask that is a reply of 4xx.
 */
bool session_auth_is_missing(struct session *) MUST_CHECK;

/* The command; also reads the responses. */
void session_auth(struct session *, struct span argument);

/* --- DATA, in session-data.c: also reads the text and replies to its end. --- */

void session_data(struct session *, struct span argument);

#endif
