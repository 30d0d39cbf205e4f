/* SPDX-License-Identifier: ISC */
/* How every program of the chain starts. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "conf.h"
#include "log.h"
#include "sbuf.h"

enum program_user {
	PROGRAM_UNPRIVILEGED, /* refuses to run as root */
	PROGRAM_MAY_BE_ROOT,  /* smtpd-lspawn, sendmail, smtpd-conf */
};

/*
 * Sets progname, opens 0 to 2 if they are closed, lets the log go to /dev/log
 * when 2 is the connection that 0 is, ignores SIGPIPE, sets the umask to 077,
 * parses -c FILE and -o name=value (any number), loads and checks the
 * configuration. Any error there is fatal: "FILE:LINE: what" and EXIT_PERM, or
 * EXIT_TEMP when the file cannot be read. Returns the index of the first
 * operand in argv. usage: the operands, as in the synopsis.
 */
int program_start(int argc, char *argv[], struct conf *, enum program_user,
    const char *usage);

/*
 * Loads alone, for a resident program whose files have changed: into a conf
 * after conf_init, with the args of the first load. After a failure, which *why
 * explains, only conf_free may follow.
 */
enum exitcode program_load(struct conf *, struct sbuf *why) MUST_CHECK;

/*
 * Raises the soft limit of descriptors for want connections and some more, and
 * returns how many of them there is room for. Dies (EXIT_TEMP) when there is
 * room for hardly any.
 */
size_t program_descriptors(size_t want);

#endif
