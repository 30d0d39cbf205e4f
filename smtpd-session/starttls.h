/* SPDX-License-Identifier: ISC */
/* TLS in a session, and its side of the conversation with smtpd-tls. */
#ifndef STARTTLS_H
#define STARTTLS_H

#include "address.h"
#include "link.h"

struct session;

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

#endif
