/* SPDX-License-Identifier: ISC */
/* The mailboxes here: of system users, or the folders of mailbox_root. */
#ifndef USER_H
#define USER_H

#include <limits.h>
#include <sys/types.h>

#include "conf.h"

#define USER_NAME_MAX 64

enum user_result {
	USER_FOUND,
	USER_UNKNOWN, /* for certain: may become a 550 */
	USER_CANNOT,  /* cannot be determined now: 451 */
};

struct user {
	char name[USER_NAME_MAX + 1];
	char home[PATH_MAX]; /* or the folder below mailbox_root */
	uid_t uid;           /* our own with mailbox_root */
	gid_t gid;
};

/*
 * Can name be the name of a mailbox at all? A name that is empty, is longer
 * than USER_NAME_MAX, has '/', ':', blanks, controls or octets above 0x7e in
 * it, or begins with '.' or '-' is never looked up, neither in NSS nor in the
 * file system.
 */
bool user_name_valid(struct span name);

/*
 * At start: dies when nss_sentinel cannot prove anything (EXIT_PERM) or is not
 * found (EXIT_TEMP). With mailbox_root no sentinel is needed.
 */
void user_check_sentinel(const struct conf *);

/*
 * Looks up the mailbox of exactly this name. A system user needs a uid of at
 * least min_uid that is neither 0 nor 65534. It is
 * UNKNOWN only if nss_sentinel (with mailbox_root: that directory) is found
 * afterwards.
 */
enum user_result user_find(const struct conf *, struct span name,
    struct user *) MUST_CHECK;

/* The same for the name as it is written, then in lower case. */
enum user_result user_find_folded(const struct conf *, struct span name,
    struct user *) MUST_CHECK;

#endif
