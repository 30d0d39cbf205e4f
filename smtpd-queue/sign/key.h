/* SPDX-License-Identifier: ISC */
/* One private DKIM key: whether it may be used, and what it is. */
#ifndef KEY_H
#define KEY_H

#include "sbuf.h"

#define KEY_FILE_MAX 16384 /* octets; one of 4096 bits has 3300 */
#define KEY_BITS_MIN 1024  /* of RSA: RFC 8301 3.2 */
#define KEY_NAME_MAX 255   /* of a selector or domain */

enum key_algorithm { KEY_RSA, KEY_ED25519 };

struct key {
	char domain[KEY_NAME_MAX + 1];
	char selector[KEY_NAME_MAX + 1];
	enum key_algorithm algorithm;
	unsigned bits;
	struct sbuf pem;
};

/*
 * Keys that were found good: to examine one takes half as long as to sign. All
 * zero at first. A file is read each time all the same.
 */
#define KEY_KNOWN_MAX 16

struct key_memory {
	struct key known[KEY_KNOWN_MAX]; /* without names */
	unsigned next;                   /* whose place is taken next */
};

/*
 * Reads the key at path, relative to the directory dir: a private key of RSA
 * or Ed25519 in PEM, in a file that nobody else can read or change (of root,
 * who runs a command, it is not asked whose it is). False
 * when it is none, and why then says what is wrong of it ("cannot be
 * opened: ..."). domain and selector are the caller's to set, before or
 * after. key_free in either case. The memory may be NULL.
 */
bool key_load(struct key *, int dir, const char *path, struct key_memory *,
    struct sbuf *why) MUST_CHECK;

/* Overwrites the memory that it gives back. */
void key_free(struct key *);

/*
 * Appends p= of its public half: base64 of the SubjectPublicKeyInfo for RSA,
 * of the 32 octets for Ed25519 (RFC 8463 4). False: no memory.
 */
bool key_public(const struct key *, struct sbuf *) MUST_CHECK;

/* Appends the text of its DNS record, v=DKIM1. False: no memory. */
bool key_record(const struct key *, struct sbuf *) MUST_CHECK;

/* "rsa" or "ed25519", as k= has it. */
const char *key_type(enum key_algorithm);

/* Call it before anything else of libcrypto: it reads no configuration. */
void key_start_crypto(void);

#endif
