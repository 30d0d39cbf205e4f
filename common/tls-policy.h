/* SPDX-License-Identifier: ISC */
/* What a destination needs besides its address: TLS, and a password. */
#ifndef POLICY_H
#define POLICY_H

#include "conf.h"

enum policy_tls {
	POLICY_NONE,    /* never */
	POLICY_MAY,     /* any certificate, and in clear rather than not */
	POLICY_ENCRYPT, /* any certificate */
	POLICY_VERIFY,  /* one that has the name, by an authority we believe */
};

struct policy {
	enum policy_tls tls;
	bool given; /* by a line of the file */
	struct span
	    names; /* that the certificate may have; empty: the host's */
	struct span user, password; /* user.p NULL: none */
	struct sbuf texts;          /* what the spans point into */
	char
	    trouble[256]; /* not "": mail must wait for who repairs the files */
};

/*
 * Reads tls_policy and, when the destination is a route, remote_passwords.
 * Neither of them is looked at again: then the program can be confined.
 */
void policy_load(struct policy *, const struct conf *, struct span destination,
    bool route);
void policy_free(struct policy *);

/*
 * The line that is for the destination: its own, one of ".parent", or "*", in
 * this order. A line is "DESTINATION none|may|encrypt|verify [NAME ...]".
 * False: *line is malformed.
 */
bool policy_find(struct span file, struct span destination, struct policy *,
    unsigned *line) MUST_CHECK;

/* A line is "HOST USER PASSWORD"; the password ends with the line. */
bool policy_find_password(struct span file, struct span host, struct policy *,
    unsigned *line) MUST_CHECK;

#endif
