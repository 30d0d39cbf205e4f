/* SPDX-License-Identifier: ISC */
/* TLS in a session, and its side of the conversation with smtpd-tls. */
#ifndef STARTTLS_H
#define STARTTLS_H

#include "address.h"
#include "link.h"

struct session;

enum starttls_state {
	STARTTLS_NONE,  /* no certificate is configured, or no socket here */
	STARTTLS_ASKED, /* dialled; it says at once whether it can */
	STARTTLS_READY,
	STARTTLS_GONE, /* it cannot, or could not */
	STARTTLS_ON,
};

struct starttls {
	enum starttls_state state;
	struct link link;
	uint64_t patience;                 /* ms for a handshake */
	char name[ADDRESS_DOMAIN_MAX + 1]; /* that the client asked for */
	char protocol[16], cipher[64];
	char what[16 + 64]; /* "protocol cipher"; "" in clear */
	char why[256];      /* that there is no TLS */
};

/* Dials, when a certificate is configured. Before confinement. */
void starttls_open(struct starttls *, struct chan *, const struct conf *);

/* Can it be offered? Waits for the helper's word when it has not come yet. */
bool starttls_is_ready(struct starttls *);

/* Is what is said now under TLS? Is it from the first octet? */
bool starttls_is_on(const struct session *);
bool starttls_comes_first(const struct session *);

/* require_tls, and there is none yet. */
bool starttls_is_missing(const struct session *);

/*
 * The client's next octet is TLS: begins it and forgets all that was. False:
 * the session is over.
 */
bool starttls_begin(struct session *);

/* The command. */
void starttls_command(struct session *, struct span argument);

#endif
