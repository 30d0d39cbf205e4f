/* SPDX-License-Identifier: ISC */
/* Who has a mailbox here: system users, or the folders of mailbox_root. */
#ifndef USER_H
#define USER_H

#include <limits.h>
#include <sys/types.h>

#include "conf.h"

#define USER_NAME_MAX 64

enum user_result {
	USER_FOUND,
	USER_UNKNOWN, /* for certain: may become a 550 */
	USER_CANNOT,  /* nobody can tell now: 451 */
};

struct user {
	char name[USER_NAME_MAX + 1];
	char home[PATH_MAX]; /* or the folder below mailbox_root */
	uid_t uid;           /* our own with mailbox_root */
	gid_t gid;
};

/*
 * Can name be the name of a mailbox at all? Odd ones (empty, over
 * USER_NAME_MAX, with '/', ':', blanks, controls or octets above 0x7e, with
 * '.' or '-' in front) are never looked up: they touch neither NSS nor the
 * file system.
 */
bool user_name_valid(struct span name);

/*
 * At start: is nss_sentinel there (FOUND, also with mailbox_root, which needs
 * none), or not now (CANNOT)? UNKNOWN: its name can prove nothing.
 */
enum user_result user_sentinel(const struct conf *) MUST_CHECK;

/*
 * Looks up the mailbox of exactly this name. A system user needs a uid of at
 * least min_uid that is neither 0 nor 65534. Nobody is called unknown unless
 * nss_sentinel (with mailbox_root: that directory) is found then.
 */
enum user_result user_find(const struct conf *, struct span name,
    struct user *) MUST_CHECK;

/* The same as it is written, then in lower case. */
enum user_result user_find_folded(const struct conf *, struct span name,
    struct user *) MUST_CHECK;

#endif
