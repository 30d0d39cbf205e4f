/* SPDX-License-Identifier: ISC */
/* Makes one DKIM signature with libopendkim. */
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
 * oversigned: NULL-ended names, used by all signers until the next call. False:
 * out of memory.
 */
bool signer_oversign(const char *const oversigned[]) MUST_CHECK;

/*
 * Call in this order: open; field for each field to be signed, from the top
 * down (its value without the last line end, and without NUL, at which the
 * library would stop); end_header; body for each piece of it; finish. If one
 * returns false, signer_error says why. The body is hashed as it will be sent:
 * with an end to its last line.
 *
 * libopendkim 2.11.0~beta2 does not free the key of an Ed25519 signature, 600
 * octets each. A process serves one connection, which has max_messages.
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
