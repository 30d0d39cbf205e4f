/* SPDX-License-Identifier: ISC */
/* A helper is a socket path or a command: one way to open either. */
#ifndef HELPER_H
#define HELPER_H

#include "conf.h"
#include "span.h"

/*
 * A single word that is a socket in the file system is connected to (waiting
 * at most 10 s for a place in its backlog). Else the words, the first an
 * absolute path, are exec'd on a socketpair as 0 and 1, with our -c and -o
 * options before the other words, and 2 is shared. Gives a close-on-exec
 * UNIX stream descriptor, or -1 with errno; EINVAL: neither of the two. A
 * command ends when its socket does; who waits for children of its own
 * meets it there and ignores it.
 */
int helper_open(const char *spec, const struct conf *) MUST_CHECK;

/*
 * Has it to be executed: more than one word, or a file that can be? Else it
 * is a socket, which need not be there yet.
 */
bool helper_is_command(const char *spec) MUST_CHECK;

/* helper_open for words already split: the operands of a command line. */
int helper_openv(char *const words[], const struct conf *) MUST_CHECK;

#endif
