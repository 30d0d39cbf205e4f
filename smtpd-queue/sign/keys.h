/* SPDX-License-Identifier: ISC */
/* Which keys sign for a domain. */
#ifndef KEYS_H
#define KEYS_H

#include "conf.h"
#include "key.h"

#define KEYS_MAX 4 /* signatures of one message */

struct keys {
	struct key key[KEYS_MAX]; /* those of RSA first */
	size_t n;
	struct key_memory *known; /* NULL: nothing is remembered */
};

enum keys_result {
	KEYS_FOUND,
	KEYS_NONE, /* there is none for this domain */
	KEYS_BAD,  /* there is, but it cannot be used */
};

/* Are there any keys to be asked for? */
bool keys_configured(const struct conf *);

/*
 * The keys of the domain: dkim_key, if it is of dkim_domain, and every file
 * <selector>.key in dkim_keys/<domain>. When it has none, those of the
 * nearest domain above it that has any. why: what is wrong, with its path,
 * when it is BAD. Free them in any case.
 */
enum keys_result keys_find(struct keys *, const struct conf *,
    struct span domain, struct sbuf *why) MUST_CHECK;

/* The same for who asks again and again. */
enum keys_result keys_find_known(struct keys *, struct key_memory *,
    const struct conf *, struct span domain, struct sbuf *why) MUST_CHECK;
void keys_free(struct keys *);

#endif
