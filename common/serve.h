/* SPDX-License-Identifier: ISC */
/* Serves a connection, or every connection of a listening socket. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>

#include "confine.h"
#include "sbuf.h"

enum serve_start {
	SERVE_AT_FIRST_BYTE, /* a silent connection costs no process */
	SERVE_AT_ACCEPT,     /* for protocols in which we speak first */
	SERVE_AND_REPORT,    /* at the first byte, and the peer is told of a
				   process that died badly */
};

/*
 * A fresh exec for each connection. Call it first in main, after
 * program_start. When fd 0 is a connection (or a pipe, a file) it returns at
 * once and the program serves that. When fd 0, or fd 3 with LISTEN_FDS=1 and
 * our LISTEN_PID, is a listening socket it never returns: it accepts, and
 * execs argv[0] (or /proc/self/exe, when that has no slash) afresh with the
 * same arguments and the connection as 0 and 1, at most limit at a time; more
 * wait in line. A connection that ends before its first octet costs no process.
 * SIGTERM stops accepting, closes what has not spoken, lets the children end,
 * exits 0. A failed accept or spawn is logged and tried again after 100 ms:
 * it never ends the listener.
 *
 * With SERVE_AND_REPORT we keep the connection until its process has ended.
 * When that was by a signal, or with another exit status than 0, 100 or 111,
 * the peer then gets the frame D "signal=N" or "exit=N", its last.
 */
void serve(char *const argv[], enum serve_start, unsigned limit);

/*
 * A warm helper: prepared once, forked for each connection. Its main is
 *
 *	program_start(...);
 *	serve_warm(argv, &how);			a listener stays in here
 *	...read files, open what all need...	serve_reads() for each file
 *	serve_connections(&keep, &conf);	the warm process stays in here
 *	...connect to our helpers...
 *	serve_confine(&keep, &conf);
 *	...converse on 0 and 1...
 *
 * and runs three ways. With a connection on fd 0 no call waits, and
 * serve_confine confines the program. With a listening socket, serve_warm
 * stays in the listener's own process, which holds nothing else: it execs the
 * program afresh as the warm process, and does so again when that asks for a
 * successor. The warm process goes on to serve_connections, which confines it
 * to keep and to what it takes to serve, accepts, and forks; in the child it
 * returns, with the connection as 0 and 1 and no other connection's
 * descriptor, and serve_confine gives up by a second, short filter what only
 * the warm process needed.
 *
 * A successor, with fresh addresses and canary, takes the warm process's place
 * after a child has died by a signal or with EXIT_BUG, after 1,000 children or
 * an hour, and when a file named by serve_reads has changed, which is looked
 * at when a connection is accepted. No connection is lost by that: those that
 * wait are handed over, those that are served go on to their end and count
 * towards limit. A successor that cannot start (a broken configuration) changes
 * nothing: the old one goes on, and the log says so once a minute. Only when
 * the very first one cannot start does the listener exit, with its status.
 */
typedef bool serve_hello_fn(void *context, struct sbuf *frame);

struct serve_how {
	enum serve_start start; /* not SERVE_AND_REPORT */
	unsigned limit;
	/*
	 * NULL, or what each connection is told at once, in the warm process
	 * or, with a connection on fd 0, in serve_connections: appends frames.
	 * False: the connection is closed after it.
	 */
	serve_hello_fn *hello;
	void *context;
	/*
	 * The child has to exec helpers: then it confines itself as a whole,
	 * since what is confined here would confine them too.
	 */
	bool execs;
};

void serve_warm(char *const argv[], const struct serve_how *);
void serve_connections(const struct confine *, const struct conf *);
void serve_confine(const struct confine *, const struct conf *);

/*
 * Is this the warm process? Then it may prepare what many conversations need,
 * between serve_warm and serve_connections.
 */
bool serve_is_warm(void);

/*
 * The warm process has read this file, or directory, or has found it absent.
 * The settings' own files are known. path: kept.
 */
void serve_reads(const char *path);

/*
 * For resident programs that answer from one loop (smtpd-rcpt, smtpd-lspawn)
 * and for smtpd-send's control socket: the listening socket we were given (0
 * or 3), set non-blocking and close-on-exec, or -1 when fd 0 is a connection.
 */
int serve_listener(void);

#endif
