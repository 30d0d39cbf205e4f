/* SPDX-License-Identifier: ISC */
/* The step from root to a user: fork, drop, prove it, exec smtpd-local. */
#ifndef CHILD_H
#define CHILD_H

#include "user.h"

struct child_plan {
	const char **argv; /* smtpd-local and its options; NULL-ended */
	const char **home; /* the last operand in argv */
	bool drop;         /* false: we are an unprivileged user already */
};

/* program is the absolute path of smtpd-local. */
bool child_plan(struct child_plan *, const char *program,
    const struct conf *) MUST_CHECK;

/*
 * Starts a delivery to the user, in the user's home, with conn as 0 and 1, the
 * log as 2, no other descriptor, no environment and no controlling terminal.
 * After the fork the child itself answers a failure, as a Z frame on conn, and
 * logs it. Returns its pid, or -1 with errno.
 */
pid_t child_start(struct child_plan *, const struct user *, int conn);

#endif
