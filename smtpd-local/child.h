/* SPDX-License-Identifier: ISC */
/* The step from root to a user: fork, drop, prove it, exec smtpd-local. */
#ifndef CHILD_H
#define CHILD_H

#include "user.h"

struct child_plan {
	const char **argv; /* smtpd-local and its options; NULL-ended */
	const char **home; /* the place of the last operand in argv */
	bool drop;         /* false: we are an unprivileged user already */
};

/* Makes the plan; program is the absolute path of smtpd-local. */
bool child_plan(struct child_plan *, const char *program,
    const struct conf *) MUST_CHECK;

/*
 * Starts a delivery to the user, which has conn as 0 and 1, the log as 2, no
 * other descriptor, no environment and no controlling terminal, and stands in
 * his home. What goes wrong after the fork it answers itself, as a Z frame
 * on conn, and logs. Gives its pid, or -1 with errno.
 */
pid_t child_start(struct child_plan *, const struct user *, int conn);

/* Sends one small frame without waiting; a peer that is gone misses it. */
void child_say(int conn, char tag, const char *text);

#endif
