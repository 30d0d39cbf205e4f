/* SPDX-License-Identifier: ISC */
/* One SMTP session: its state, and its life from the greeting to the end. */
#ifndef SESSION_H
#define SESSION_H

#include <signal.h>

#include "address.h"
#include "command.h"
#include "conf.h"
#include "inject.h"
#include "ip.h"
#include "link.h"
#include "log.h"
#include "transaction.h"

/*
 * A session ends after this many commands that move no mail (NOOP, RSET, EHLO,
 * ...) since its last message. It might never end otherwise.
 */
#define SESSION_IDLE_MAX 1000

#define SESSION_USER_MAX 255

/* How many wrong passwords a session may try. */
#define SESSION_AUTH_FAILURES_MAX 3

/* The reply if there is no injector. */
#define SESSION_NO_INJECTOR "451 4.3.0 Mail queue unavailable, try again later"

/* The text after DATA is not a state: session_data reads it to its end. */
enum state {
	STATE_START, /* no EHLO or HELO yet */
	STATE_READY, /* no transaction */
	STATE_MAIL,  /* a sender, but no accepted recipient */
	STATE_RCPT,  /* a sender and recipients */
};
#define STATES 4

/* TLS, and our side of the conversation with smtpd-tls. */
enum starttls_state {
	STARTTLS_NONE,  /* no certificate, or a local user */
	STARTTLS_ASKED, /* connected; it says at once whether it is ready */
	STARTTLS_READY,
	STARTTLS_GONE, /* TLS is not available in this session */
	STARTTLS_ON,
};

struct starttls {
	enum starttls_state state;
	struct link link;
	uint64_t patience;                 /* ms for a handshake */
	char name[ADDRESS_DOMAIN_MAX + 1]; /* from SNI */
	char protocol[16], cipher[64];
	char what[16 + 64]; /* "protocol cipher"; "" in clear */
	char why[256];      /* why there is no TLS */
};

/*
 * About 710 KiB, of which an idle session touches the first page only. The
 * large buffers come last, and each is filled from its front.
 */
struct session {
	const struct conf *conf;
	bool has_client; /* there is a client on 0 and 1 */
	enum state state;
	const char *end; /* why the session is over; NULL: it goes on */
	bool linger;     /* over, but the client may still be sending */
	bool local_user; /* the client called sendmail -bs */

	struct ip ip;         /* the client's address, from any source */
	struct ip proven;     /* the same from the socket alone, or unknown */
	const char *protocol; /* SMTP, ESMTP or ESMTPS, as the client greeted */
	char helo[ADDRESS_DOMAIN_MAX + 1];
	char user[SESSION_USER_MAX + 1]; /* authenticated; empty: no user */
	bool auth_wanted;                /* a password helper is expected */
	unsigned auth_failures;

	unsigned idle;     /* see SESSION_IDLE_MAX */
	unsigned messages; /* accepted ones */
	unsigned forgiven; /* errors before the last message */
	char too_big[80];  /* see session_too_big */

	/*
	 * For the handler of SIGTERM: waiting is set while the session does
	 * nothing but poll(2) and read(2) for the next command. At other times
	 * the handler sets stopping.
	 */
	volatile sig_atomic_t waiting, stopping;

	instant deadline; /* of the command that is awaited; 0: not set */
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
	struct chan_room lookup_room, inject_room, tls_room, auth_room;
};

/*
 * Greets and serves the client on 0 and 1 until the session is over. Before
 * that the caller connects the helpers and confines the program.
 */
void session_run(struct session *);

/* Says goodbye when SIGTERM comes while the session waits. */
void session_stop(struct session *);

/*
 * Ends the session: no further command is read. hang_up: the client may still
 * be sending.
 */
void session_end(struct session *, const char *why);
void session_hang_up(struct session *, const char *why);

/* The same with a reply first: 421, the enhanced code, our name, text. */
void session_dismiss(struct session *, const char *code, const char *text,
    const char *why);

/* Forgets the transaction, if any, as RSET does. */
void session_reset(struct session *);

/* Writes waiting replies, then reads more. All input comes through this. */
enum io session_fill(struct session *, instant deadline) MUST_CHECK;

/* Ends the session, after a reply to a time-out, unless r is IO_OK. */
void session_check_input(struct session *, enum io r, bool in_data);

/*
 * Reads the next line, with a new deadline. COMMAND_MORE: no line, because the
 * session is over or must stop. *line lives until the next call.
 */
enum command_event session_line(struct session *, struct span *line);

/* How the mail arrives, as a name of RFC 3848. */
const char *session_protocol(const struct session *);

/* Commands that were answered with 5xx since the last accepted message. */
unsigned session_errors(const struct session *);

/* The reply to a message over max_size. */
const char *session_too_big(struct session *);

/* Appends the client's address, HELO name and user. */
void session_log_client(struct logline *, const struct session *);

/* Logs the last reply as a refusal; rcpt may be empty. */
void session_log_refusal(const struct session *, const char *stage,
    struct span rcpt);

/* --- STARTTLS (RFC 3207), in starttls.c ------------------------------------ */

/* Connects to smtpd-tls if a certificate is configured. Before confinement. */
void starttls_open(struct starttls *, struct chan_room *, const struct conf *);

/* Can STARTTLS be offered? Waits for the first frame of smtpd-tls. */
bool starttls_is_ready(struct starttls *);

/* Is the session under TLS now? Does TLS come before the greeting? */
bool starttls_is_on(const struct session *);
bool starttls_comes_first(const struct session *);

/* Does require_tls demand TLS that is not there yet? */
bool starttls_is_missing(const struct session *);

/*
 * Does the handshake, because the client's next octet is TLS, and forgets the
 * session so far. False: the session is over.
 */
bool starttls_begin(struct session *);

/* The command. */
void starttls_command(struct session *, struct span argument);

/* --- AUTH (RFC 4954), in session-auth.c ------------------------------------ */

/* Can any session with these settings offer AUTH? */
bool session_auth_is_possible(const struct conf *);

/* Does EHLO say AUTH now? */
bool session_auth_is_offered(const struct session *);

/*
 * Must the client log in before it may send? If so, replies: with 4xx if there
 * is no helper to check passwords.
 */
bool session_auth_is_missing(struct session *) MUST_CHECK;

/* The command AUTH; also reads the responses to its challenges. */
void session_auth(struct session *, struct span argument);

/* --- DATA, in session-data.c: also reads the text and replies to its end. --- */

void session_data(struct session *, struct span argument);

#endif
