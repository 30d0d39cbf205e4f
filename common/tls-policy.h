/* SPDX-License-Identifier: ISC */
/* What a destination needs besides its address: TLS, and a password. */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "conf.h"

enum tls_policy_level {
	TLS_POLICY_NONE,    /* never */
	TLS_POLICY_MAY,     /* any certificate; in clear if TLS fails */
	TLS_POLICY_ENCRYPT, /* any certificate */
	TLS_POLICY_VERIFY,  /* one with the name, by an authority we trust */
};

struct tls_policy {
	enum tls_policy_level tls;
	bool given; /* by a line of the file */
	struct span
	    names; /* that the certificate may have; empty: the host's */
	struct span user, password; /* user.p NULL: no password */
	struct sbuf texts;          /* that the spans point into */
	char trouble[256]; /* not "": mail waits until the files are repaired */
};

/*
 * Reads tls_policy and, when the destination is a route, remote_passwords.
 * Both are read completely, so that the program can be confined afterwards.
 */
void tls_policy_load(struct tls_policy *, const struct conf *,
    struct span destination, bool route);
void tls_policy_free(struct tls_policy *);

/*
 * The line for the destination: its own, one of ".parent", or "*", in this
 * order. A line is "DESTINATION none|may|encrypt|verify [NAME ...]".
 * False: *line is malformed.
 */
bool tls_policy_find(struct span file, struct span destination,
    struct tls_policy *, unsigned *line) MUST_CHECK;

/* A line is "HOST USER PASSWORD"; the password ends with the line. */
bool tls_policy_find_password(struct span file, struct span host,
    struct tls_policy *, unsigned *line) MUST_CHECK;

#endif
