/* SPDX-License-Identifier: ISC */
/* Makes DKIM keys. */
#ifndef KEYMAKE_H
#define KEYMAKE_H

#include "key.h"

#define KEYMAKE_BITS_MIN 2048 /* of RSA: RFC 8301 3.2 advises no less */
#define KEYMAKE_BITS_MAX 4096 /* verifiers need not take more */

/*
 * A new key pair; bits counts for RSA only. The private half is in pem, as
 * PKCS#8; domain and selector are the caller's to set. False when libcrypto
 * cannot. key_free in either case.
 */
bool keymake(struct key *, enum key_algorithm, unsigned bits) MUST_CHECK;

#endif
