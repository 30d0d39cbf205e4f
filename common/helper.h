/* SPDX-License-Identifier: ISC */
/* Starting and reaching other programs. */
#ifndef HELPER_H
#define HELPER_H

#include <sys/types.h>

#include "conf.h"
#include "span.h"

/* --- a child with exactly the descriptors of a table ---------------------- */

struct proc_fd {
	int child, ours; /* the number there, the number here */
};

/*
 * Starts path with the descriptors of the table and no others (all of ours
 * are close-on-exec), default signal dispositions and an empty mask. A NULL
 * envp is the built environment: PATH alone. Gives the pid, or -1 with errno,
 * also when the exec itself failed.
 */
pid_t proc_spawn(const char *path, char *const argv[], char *const envp[],
    const struct proc_fd *, size_t n);

/* --- a helper, which is a socket path or a command ------------------------ */

/*
 * Connects to the helper if spec is a single word that is a socket in the file
 * system; waits at most 10 s for a place in its backlog. Otherwise spec is a
 * command, and its first word an absolute path. The command is executed on a
 * socketpair as 0 and 1, with our -c and -o options before its other words;
 * descriptor 2 is shared. Returns a close-on-exec UNIX stream descriptor, or -1
 * with errno; EINVAL: neither of the two. A command ends when its socket is
 * closed. A program that waits for its own children meets the command there,
 * and ignores it.
 */
int helper_open(const char *spec, const struct conf *) MUST_CHECK;

/*
 * Must it be executed, because it has several words or is an executable file?
 * Otherwise it is a socket, which need not exist yet.
 */
bool helper_is_command(const char *spec) MUST_CHECK;

/* helper_open for words that are split already, as operands are. */
int helper_openv(char *const words[], const struct conf *) MUST_CHECK;

/* Connects to a socket, as helper_open does. -1 with errno. */
int helper_dial(const char *path) MUST_CHECK;

#endif
