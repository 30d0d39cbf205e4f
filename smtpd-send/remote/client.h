/* SPDX-License-Identifier: ISC */
/* One connection to another SMTP server: greeting, EHLO, transactions. */
#ifndef CLIENT_H
#define CLIENT_H

#include "conf.h"
#include "ip.h"
#include "remote-answer.h"
#include "remote-mail.h"
#include "tls-policy.h"
#include "tls.h"

#define CLIENT_HOST 320 /* "name[ip]:port" */

/* Time-outs of RFC 5321 4.5.3.2, in ms; smtp_timeout replaces them all. */
#define WAIT_GREETING 300000
#define WAIT_COMMAND 300000 /* EHLO, MAIL, RCPT */
#define WAIT_DATA 120000
#define WAIT_BLOCK 180000
#define WAIT_DOT 600000
#define WAIT_QUIT 2000 /* ours: a server may be slow to say goodbye */

/* How to talk to the hosts of a destination. */
struct client_plan {
	uint16_t port;
	bool guard;      /* refuse to talk to this host itself */
	bool implicit;   /* TLS from the first octet (RFC 8314) */
	bool literal;    /* by address: there is no name to send */
	int authorities; /* the file, or -1 */
	struct tls_policy policy;
};

struct client {
	int fd;                 /* -1: not connected */
	struct io_layer *layer; /* TLS, or NULL */
	const struct conf *conf;
	instant deadline; /* of the whole delivery */
	char host[CLIENT_HOST];
	char tls[96];   /* how it is secured, for the log; "": in clear */
	const char *id; /* of the message it was opened for */
	bool used;      /* a transaction has used it before */
	unsigned owed;  /* replies that are still to come */
	bool esmtp, pipelining, eightbit, size, starttls;
	bool auth_plain, auth_login;
	uint64_t size_max; /* the server's limit; 0: not announced */
	struct answer answer;
	struct inbuf in;
	struct outbuf out;
	char inmem[8192], outmem[65536];
};

/* Why there is no connection, or what a refusal means. */
struct client_failure {
	enum mail_verdict verdict;
	const char *stage;
	struct span text; /* valid until the next call */
	bool ourselves;   /* the other end is this host */
	bool tls;         /* the handshake failed: the socket is dead */
};

void client_init(struct client *, const struct conf *);

/*
 * Connects, waits for the greeting, secures the connection as the plan demands
 * and logs in. True: a transaction may begin. False: *why tells the reason, and
 * the connection is closed. If TLS fails and is not demanded, it makes a second
 * connection in clear.
 */
bool client_open(struct client *, const char *name, const struct ip *,
    const struct client_plan *, struct client_failure *why) MUST_CHECK;

/*
 * Offers the message. Afterwards each recipient has its verdict, and the
 * connection is closed or ready for the next message. False: the server closed
 * a connection that had been used before, and saw nothing of this message;
 * nothing is decided, and the caller should make a new connection.
 */
bool client_transaction(struct client *, struct mail *) MUST_CHECK;

/* QUIT, without waiting long for the answer, and close. */
void client_quit(struct client *);

/* --- for client-transaction.c -------------------------------------------- */

/* ms from now, or smtp_timeout; never after the whole delivery's deadline. */
instant client_wait(const struct client *, uint64_t ms);

void client_close(struct client *);

/*
 * Is it the client's turn? IO_ERROR with EALREADY: the server has sent
 * something unasked, so replies can no longer be matched with commands. IO_EOF:
 * it has closed the connection. Call it only when no reply is owed.
 */
enum io client_turn(struct client *) MUST_CHECK;

/* Buffers a command line; one more reply is owed. */
enum io client_say(struct client *, const char *verb,
    struct span argument) MUST_CHECK;

/*
 * Writes the buffer, then reads one reply into answer. Not IO_OK: client_lost
 * gives the text to report.
 */
enum io client_hear(struct client *, uint64_t ms) MUST_CHECK;

/* Both, with WAIT_COMMAND. */
enum io client_ask(struct client *, const char *verb,
    struct span argument) MUST_CHECK;

/* What a failure of these means to the sender: "4xx 4.4.2 ..." */
struct span client_lost(enum io r);

/*
 * What the last reply means where success was wanted. Its text is verbatim,
 * unless its code does not fit the verdict.
 */
struct client_failure client_refusal(const struct client *, const char *stage);

#endif
