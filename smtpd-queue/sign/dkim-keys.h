/* SPDX-License-Identifier: ISC */
/* Private DKIM keys: which sign for a domain, and whether they may be used. */
#ifndef DKIM_KEYS_H
#define DKIM_KEYS_H

#include "conf.h"

#define DKIM_KEY_FILE_MAX 16384 /* octets; an RSA key of 4096 bits has 3300 */
#define DKIM_KEY_BITS_MIN 1024  /* of RSA: RFC 8301 3.2 */
#define DKIM_NAME_MAX 255       /* of a selector or domain */

enum dkim_algorithm { DKIM_KEY_RSA, DKIM_KEY_ED25519 };

struct dkim_key {
	char domain[DKIM_NAME_MAX + 1];
	char selector[DKIM_NAME_MAX + 1];
	enum dkim_algorithm algorithm;
	unsigned bits;
	struct sbuf pem;
};

/*
 * Keys that were found good, since examining one takes half as long as signing.
 * All zero at first. The file is read each time nevertheless.
 */
#define DKIM_KEYS_KNOWN 16

struct dkim_key_memory {
	struct dkim_key known[DKIM_KEYS_KNOWN]; /* without names */
	unsigned next; /* the one that is replaced next */
};

/*
 * Reads the key at path, relative to the directory dir: a private RSA or
 * Ed25519 key in PEM format, in a file that nobody else can read or change (the
 * owner does not matter to root, which runs a command). False: why says what is
 * wrong ("cannot be opened: ..."). The caller sets domain and selector, before
 * or after. dkim_key_free in either case. The memory may be NULL.
 */
bool dkim_key_load(struct dkim_key *, int dir, const char *path,
    struct dkim_key_memory *, struct sbuf *why) MUST_CHECK;

/* Wipes the memory before it frees it. */
void dkim_key_free(struct dkim_key *);

/*
 * Appends the public key as p= has it: base64 of the SubjectPublicKeyInfo for
 * RSA, of the 32 octets for Ed25519 (RFC 8463 4). False: out of memory.
 */
bool dkim_key_public(const struct dkim_key *, struct sbuf *) MUST_CHECK;

/* Appends the text of its DNS record, v=DKIM1. False: out of memory. */
bool dkim_key_record(const struct dkim_key *, struct sbuf *) MUST_CHECK;

/* "rsa" or "ed25519", as k= has it. */
const char *dkim_key_type(enum dkim_algorithm);

/* Call it before all else of libcrypto: keeps it from its configuration. */
void dkim_keys_start_crypto(void);

#define DKIM_KEYS_MAX 4 /* signatures of one message */

struct dkim_keys {
	struct dkim_key key[DKIM_KEYS_MAX]; /* those of RSA first */
	size_t n;
	struct dkim_key_memory *known; /* NULL: remember nothing */
};

enum dkim_keys_result {
	DKIM_KEYS_FOUND,
	DKIM_KEYS_NONE, /* the domain has no key */
	DKIM_KEYS_BAD,  /* the domain has a key that cannot be used */
};

/* Is any setting for keys given? */
bool dkim_keys_configured(const struct conf *);

/*
 * The keys of the domain: dkim_key, if it is dkim_domain, and every file
 * <selector>.key in dkim_keys/<domain>. If there are none, those of the
 * nearest domain above it that has any. why: the path and what is wrong, if
 * BAD. Free them in any case.
 */
enum dkim_keys_result dkim_keys_find(struct dkim_keys *, const struct conf *,
    struct span domain, struct sbuf *why) MUST_CHECK;

/* The same for frequent callers. */
enum dkim_keys_result dkim_keys_find_known(struct dkim_keys *,
    struct dkim_key_memory *, const struct conf *, struct span domain,
    struct sbuf *why) MUST_CHECK;
void dkim_keys_free(struct dkim_keys *);

#endif
