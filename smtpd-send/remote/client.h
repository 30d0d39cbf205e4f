/* SPDX-License-Identifier: ISC */
/* One connection to another SMTP server: greeting, EHLO, transactions. */
#ifndef CLIENT_H
#define CLIENT_H

#include "answer.h"
#include "conf.h"
#include "endpoint.h"
#include "mail.h"
#include "tls-policy.h"
#include "tls.h"

#define CLIENT_HOST 320 /* "name[ip]:port" */

/* How the hosts of a destination are to be spoken to. */
struct client_plan {
	uint16_t port;
	bool guard;      /* refuse to talk to this host itself */
	bool implicit;   /* TLS from the first octet (RFC 8314) */
	bool literal;    /* by address: there is no name to send */
	int authorities; /* the file, or -1 */
	struct policy policy;
};

struct client {
	int fd;                 /* -1: not connected */
	struct io_layer *layer; /* TLS, or NULL */
	const struct conf *conf;
	instant deadline; /* of the whole delivery */
	char host[CLIENT_HOST];
	char tls[96];   /* how it is secured, for the log; "": in clear */
	const char *id; /* of the message it was opened for */
	bool used;      /* a transaction has been here before */
	unsigned owed;  /* replies that are still to come */
	bool esmtp, pipelining, eightbit, size, starttls;
	bool auth_plain, auth_login;
	uint64_t size_max; /* the server's limit; 0: it names none */
	struct answer answer;
	struct inbuf in;
	struct outbuf out;
	char inmem[8192], outmem[65536];
};

void client_init(struct client *, const struct conf *);

/* Why there is no connection, or what a refusal means. */
struct client_failure {
	enum mail_verdict verdict;
	const char *stage;
	struct span text; /* valid until the next call */
	bool ourselves;   /* the other end is this host */
	bool tls;         /* the handshake failed: the socket is dead */
};

/*
 * Connects, is greeted, secures the connection as the plan wants it and logs
 * in: true when a transaction may begin. Else *why tells and the connection is
 * closed. When TLS fails that need not be, a second connection is in clear.
 */
bool client_open(struct client *, const char *name, const struct ip *,
    const struct client_plan *, struct client_failure *why) MUST_CHECK;

/*
 * Offers the message. Afterwards each recipient has its verdict, and the
 * connection is closed or fit for the next message. False: the server hung
 * up before it saw anything of this message, on a connection that had been
 * used before; nothing is decided, and a new connection is in order.
 */
bool client_transaction(struct client *, struct mail *) MUST_CHECK;

/* QUIT, without waiting long for the answer, and close. */
void client_quit(struct client *);

#endif
