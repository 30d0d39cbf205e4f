/* SPDX-License-Identifier: ISC */
/* An adviser: smtpd-queue asks it about each message. */
#ifndef ADVISE_H
#define ADVISE_H

#include <sys/types.h>

#include "confine.h"
#include "conversation.h"

/*
 * The text of a message as it is now: a file of length octets, to be read
 * with pread(2) only. It is open as long as the call that it is given to.
 */
struct advise_text {
	int fd;
	uint64_t length;
};

/*
 * Reads up to room octets at offset. Gives how many: less than room only at
 * the end of the text, -1 with errno if it cannot be read.
 */
ssize_t advise_read(const struct advise_text *, uint64_t offset, void *,
    size_t room) MUST_CHECK;

/*
 * What an adviser does with each frame of "Advice" in smtpd-frames(5). Any of
 * them but text may be NULL. Spans live as long as the call.
 */
struct adviser {
	/* A new message: forget the one before. Comes before its first fact. */
	void (*begin)(void *context);
	void (*fact)(void *context, struct span name, struct span value);
	/*
	 * Another sender may follow, if another adviser refused this one: the
	 * last counts.
	 */
	void (*sender)(void *context, const struct envelope_path *);
	/* Fields that are on top so far: a later one is above an earlier one. */
	void (*field)(void *context, struct span lines);
	/* The message is complete: calls advise_... below, the verdict last. */
	void (*text)(void *context, const struct advise_text *);
};

/*
 * The main function of an adviser:
 *
 *	advise_start(argc, argv, &conf);	options; there are no operands
 *	advise_warm(argv, &conf, entrances);	serve_warm (serve.h)
 *	...read files, open what all need...
 *	return advise_serve(&keep, &adviser, context, &conf);
 *
 * entrances: how many ask this adviser. advise_serve confines the program to
 * keep and serves the conversation on 0 and 1 until its end, however long that
 * is: smtpd-queue keeps it open as long as its own client does. It gives the
 * exit code. If the peer makes no sense it says so and exits EXIT_TEMP.
 */
void advise_start(int argc, char *argv[], struct conf *);
void advise_warm(char *argv[], const struct conf *, unsigned entrances);
int advise_serve(const struct confine *keep, const struct adviser *,
    void *context, const struct conf *);

/*
 * The changes, in ascending order of offset, before fields and marks.
 * delete: that many octets from there on. put: octets before the one at
 * offset (or at the end); any number, since they are sent in pieces.
 */
void advise_delete(uint64_t offset, uint64_t length);
void advise_put(uint64_t offset, struct span octets);

/* Whole header fields with CRLF, to be put on top of all others. */
void advise_top(struct span lines);
void advise_mark(struct span mark);

/*
 * Exactly one of these ends the advice. later: a 4xx reply, refuse: a 5xx
 * reply; after either, the changes that were sent do not count.
 */
void advise_pass(void);
void advise_later(struct span reply);
void advise_refuse(struct span reply);

#define ADVISE_LOCAL_ERROR SPAN("451 4.3.0 Local error, try again later")

#endif
