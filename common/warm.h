/* SPDX-License-Identifier: ISC */
/* Between the listener's process and the warm ones: see serve.h. */
#ifndef WARM_H
#define WARM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The listener's own process holds the listening socket and nothing else. It
 * execs the warm process, which accepts, and hears of it over a socket pair:
 *
 *	warm -> listener
 *	WARM_READY	prepared and confined: it can take over
 *	WARM_RENEW n	it wants a successor; n: the last one could not start
 *	WARM_CONN	(fd) one that waits, for the successor
 *	WARM_COUNT n	retired: so many children are still at work
 *	listener -> warm
 *	WARM_RETIRE	the successor is ready: hand over, serve to the end
 *	WARM_GO_ON	there is no successor: go on as long as you may
 *	WARM_CONN	(fd) one that waits
 *	WARM_COUNT n	children of retired ones, which count towards the limit
 *	WARM_STOP	accept no more, and end with the last child
 */
enum warm_word {
	WARM_READY,
	WARM_RENEW,
	WARM_CONN,
	WARM_COUNT,
	WARM_RETIRE,
	WARM_GO_ON,
	WARM_STOP,
};

struct warm_message {
	enum warm_word word;
	unsigned n;
};

/* fd: goes along, or -1; stays the caller's. */
bool warm_send(int sock, enum warm_word, unsigned n, int fd);

/* Waits for a message. False at the end. *fd: the caller's, or -1. */
bool warm_receive(int sock, struct warm_message *, int *fd);

#define WARM_FD 3 /* the socket, in the warm process */

/*
 * In the warm process: the descriptor WARM_FD is the socket, and *since the
 * wall time in microseconds at which the listener began to start it. False
 * elsewhere.
 */
bool warm_is(uint64_t *since);

/* In the listener: keeps a warm process until SIGTERM. */
_Noreturn void warm_keep(int listener, char *const argv[]);

/* --- the files that a warm process has read ------------------------------- */

/* Nothing was read before this wall time, in microseconds. */
void warm_reads_begin(uint64_t since);

/* A file or directory that is read now or is missing. path: kept. */
bool warm_reads_add(const char *path);

/*
 * Has one changed, so that a successor would read something else? asked: a
 * successor is being started already.
 */
bool warm_reads_changed(bool asked);

/*
 * The successor could not start: the files as it saw them are not tried again
 * for a minute, but any other state of them is.
 */
void warm_reads_refused(void);
bool warm_reads_may_try(void);

#endif
