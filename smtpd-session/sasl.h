/* SPDX-License-Identifier: ISC */
/* The responses of PLAIN (RFC 4616) and LOGIN, which no RFC describes. */
#ifndef SASL_H
#define SASL_H

#include "sbuf.h"

/*
 * Both mechanisms yield the payload of P in smtpd-frames(5): the user, NUL,
 * the password. It is a secret, so the caller wipes the memory of the sbuf.
 */
#define SASL_ROOM (2 * (12288 / 4 * 3) + 2)

enum sasl_result {
	SASL_OK,
	SASL_BAD, /* 501: not base64, or not in the form of the mechanism */
	SASL_OTHER, /* PLAIN asks to act as another user, which is not supported */
};

/* Is this the line that cancels an exchange? */
bool sasl_is_cancel(struct span line);

/* Appends user, NUL, password. Empty ones pass: the helper refuses those. */
enum sasl_result sasl_plain(struct sbuf *, struct span response) MUST_CHECK;

/* Appends one of the two answers of LOGIN; the NUL between is the caller's. */
enum sasl_result sasl_login(struct sbuf *, struct span response) MUST_CHECK;

#endif
