/* SPDX-License-Identifier: ISC */
/* The session's side of the conversation with smtpd-tls. */
#ifndef STARTTLS_H
#define STARTTLS_H

#include "address.h"
#include "link.h"

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

/*
 * Hands the client's socket over and waits for the end of the handshake.
 * Gives the clear text's descriptor, or -1: then the connection is of no
 * more use, and why says why.
 */
int starttls_handshake(struct starttls *, int client) MUST_CHECK;

#endif
