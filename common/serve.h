/* SPDX-License-Identifier: ISC */
/* A program serves what it is given: a connection, or a listening socket. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>

enum serve_start {
	SERVE_AT_FIRST_BYTE, /* a silent connection costs no process */
	SERVE_AT_ACCEPT,     /* for protocols in which we speak first */
	SERVE_AND_REPORT,    /* at the first byte, and the peer is told of a
				   process that died badly */
};

/*
 * Call it first in main, after program_start. When fd 0 is a connection (or
 * a pipe, a file) it returns at once and the program serves that. When fd 0,
 * or fd 3 with LISTEN_FDS=1 and our LISTEN_PID, is a listening socket it
 * never returns: it accepts, and execs argv[0] (or /proc/self/exe, when that
 * has no slash) afresh with the same arguments and the connection as 0 and 1,
 * at most limit at a time; more wait in line. A connection that ends before
 * its first octet costs nothing. SIGTERM stops accepting, closes what has
 * not spoken, lets the children end, exits 0. A failed accept or spawn is
 * logged and tried again after 100 ms: it never ends the listener.
 *
 * With SERVE_AND_REPORT we keep the connection until its process has ended.
 * When that was by a signal, or with another exit status than 0, 100 or 111,
 * the peer then gets the frame D "signal=N" or "exit=N", its last.
 */
void serve(char *const argv[], enum serve_start, unsigned limit);

/*
 * The same at the first byte, for a helper whose clients must know at once
 * whether it can work: hello is called for each connection, still in the
 * listener, and appends the frame that it is told first. False: this is all
 * that the connection gets, and it is closed.
 */
struct sbuf;
typedef bool serve_hello_fn(void *context, struct sbuf *frame);
void serve_hello(char *const argv[], unsigned limit, serve_hello_fn *,
    void *context);

/*
 * For resident programs that answer from one loop (smtpd-rcpt, smtpd-lspawn)
 * and for smtpd-send's control socket: the listening socket we were given (0
 * or 3), set non-blocking and close-on-exec, or -1 when fd 0 is a connection.
 */
int serve_listener(void);

#endif
