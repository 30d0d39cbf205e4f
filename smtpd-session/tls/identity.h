/* SPDX-License-Identifier: ISC */
/* A certificate chain and its key, as BearSSL wants them. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <bearssl.h>

#include "certificate.h"
#include "sbuf.h"

#define IDENTITY_CHAIN_MAX 16
#define IDENTITY_RSA_MAX 4096 /* bits: BearSSL's own limit */

struct identity {
	struct span path; /* of the certificate; the caller's */
	br_x509_certificate chain[IDENTITY_CHAIN_MAX];
	size_t nchain;
	struct certificate leaf; /* views into chain[0] */
	br_skey_decoder_context key;
};

/*
 * Reads one certificate file and its key file. False: *why says of which
 * file what is wrong. thorough: as in engine_load. Freed by identity_free
 * even when it failed.
 */
bool identity_load(struct identity *, struct span cert_path,
    struct span key_path, bool thorough, struct sbuf *why) MUST_CHECK;
void identity_free(struct identity *);

bool identity_is_ec(const struct identity *);

#endif
