/* SPDX-License-Identifier: ISC */
/* What the responses of PLAIN and LOGIN hold: RFC 4616, and custom. */
#ifndef SASL_H
#define SASL_H

#include "sbuf.h"

/*
 * Both mechanisms come to the payload of P in smtpd-frames(5): the user, NUL,
 * the password. It is a secret, so the caller wipes the memory of the sbuf.
 */
#define SASL_ROOM (2 * (12288 / 4 * 3) + 2)

enum sasl_result {
	SASL_OK,
	SASL_BAD,   /* 501: no base64, or not what the mechanism says */
	SASL_OTHER, /* PLAIN asks to act as somebody else: that is not done */
};

/* Is it the line that gives an exchange up? */
bool sasl_is_cancel(struct span line);

/* Appends user, NUL, password. Empty ones pass: the helper refuses those. */
enum sasl_result sasl_plain(struct sbuf *, struct span response) MUST_CHECK;

/* Appends one of the two answers of LOGIN; the NUL between is the caller's. */
enum sasl_result sasl_login(struct sbuf *, struct span response) MUST_CHECK;

#endif
