/* SPDX-License-Identifier: ISC */
/* One DKIM signature in the making, by libopendkim. */
#ifndef SIGNER_H
#define SIGNER_H

#include "dkim-keys.h"

struct dkim; /* libopendkim's */

struct signer {
	struct dkim *dkim;
	char tail[2];  /* the last two octets of the body */
	size_t length; /* of tail */
};

/*
 * oversigned: NULL-ended names that stay in force for all signers until the
 * next call. False when there is no memory.
 */
bool signer_oversign(const char *const oversigned[]) MUST_CHECK;

/*
 * In this order: open, each field that is to be signed (from the top down;
 * its value without the last line end, and without NUL, at which the library
 * would stop), end_header, the body in pieces, finish. All are false when it
 * cannot be done; signer_error then says why. The body is hashed as it will
 * leave: with an end to its last line.
 *
 * libopendkim 2.11.0~beta2 forgets to free the key of an Ed25519 signature,
 * 600 octets each. A process serves one connection, and that has
 * max_messages.
 */
bool signer_open(struct signer *, const struct dkim_key *) MUST_CHECK;
bool signer_field(struct signer *, struct span name,
    struct span value) MUST_CHECK;
bool signer_end_header(struct signer *) MUST_CHECK;
bool signer_body(struct signer *, struct span octets) MUST_CHECK;

/* Appends the whole DKIM-Signature field. */
bool signer_finish(struct signer *, struct sbuf *) MUST_CHECK;

const char *signer_error(const struct signer *);
void signer_close(struct signer *);

#endif
