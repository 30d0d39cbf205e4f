/* SPDX-License-Identifier: ISC */
/* A filter in the injection conversation: its life, whatever it filters. */
#ifndef FILTER_H
#define FILTER_H

#include "downstream.h"
#include "forged.h"

struct filter {
	const struct conf *conf;
	struct chan *up; /* towards who injects, on 0 and 1 */
	struct downstream down;
	char id[QUEUE_ID_SIZE]; /* of the message, once S was passed */
};

/*
 * Takes one frame of a message. deadline: for what is sent up. Not OK: no
 * more can be taken.
 */
typedef enum io filter_take(void *context, const struct frame *,
    instant deadline);

/*
 * The start of a filter's main: options and settings, the listening socket
 * if we were given one, SIGTERM; then downstream, which is the rest of argv,
 * is dialled. Fatal when that fails. Confine next.
 */
void filter_start(struct filter *, int argc, char *argv[], struct conf *);

/*
 * The same for a program with another role, in which the first operand is
 * that word and downstream comes behind it. Gives whether it is.
 */
bool filter_start_role(struct filter *, int argc, char *argv[], struct conf *,
    const char *role);

/* All that filter_run and what it calls need of the kernel. */
void filter_confine(const struct conf *);

/*
 * Gives take each frame, until the end of file or of our patience. Messages
 * end with E and A; only between two of them SIGTERM ends us, and so does
 * downstream, if it was lost. Gives the exit code.
 */
int filter_run(struct filter *, filter_take *, void *context) MUST_CHECK;

/*
 * S: passes it, waits for the id, passes that up. When downstream gives none
 * the client gets one that no message will have: he may be waiting for it
 * before he goes on to E.
 */
enum io filter_sender(struct filter *, const struct frame *,
    instant deadline) MUST_CHECK;

/* H: passes it without what forged.h leaves out. */
void filter_fields(struct filter *, const struct frame *);

/* E was passed, or the verdict is known: passes the verdict up. */
enum io filter_verdict(struct filter *, instant deadline) MUST_CHECK;

/* A: passes it. */
void filter_abandon(struct filter *);

/* Before each message, but the first. */
void filter_forget(struct filter *);

#endif
