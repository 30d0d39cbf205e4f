/* SPDX-License-Identifier: ISC */
/* The life of an adviser: smtpd-queue asks it about each message. */
#ifndef ADVISE_H
#define ADVISE_H

#include <sys/types.h>

#include "conf.h"
#include "span.h"

/*
 * The text of a message as it is now: a file of length octets, which
 * only pread(2) reads. It is open as long as the call that it is given to.
 */
struct advise_text {
	int fd;
	uint64_t length;
};

/*
 * Reads up to room octets at offset. Gives how many: less than room only at
 * the end of the text, -1 with errno when it cannot be read.
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
	/* The payloads of S and R, which are well-formed (envelope.h). */
	void (*sender)(void *context, struct span payload);
	void (*recipient)(void *context, struct span payload);
	/* Fields that stand on top so far: a later one above an earlier one. */
	void (*field)(void *context, struct span lines);
	/* All is there. Calls advise_... below; the verdict is the last. */
	void (*text)(void *context, const struct advise_text *);
};

/*
 * Serves the conversation on 0 and 1 until its end: there is no patience to
 * be lost, as smtpd-queue holds it for as long as its own client does. Gives
 * the exit code. When the peer makes no sense it says so and gives EXIT_TEMP.
 */
int advise_run(const struct adviser *, void *context, const struct conf *);

/*
 * The changes, in ascending order of offset, before fields and marks.
 * delete: that many octets from there on. put: octets before the one at
 * offset (or at the end); any number, as they are sent in pieces.
 */
void advise_delete(uint64_t offset, uint64_t length);
void advise_put(uint64_t offset, struct span octets);

/* Whole header fields with CRLF, to stand on top of all others. */
void advise_top(struct span lines);
void advise_mark(struct span mark);

/*
 * Exactly one of these ends the advice. later: a 4xx reply, refuse: a 5xx
 * reply; what was said before is then not heeded.
 */
void advise_pass(void);
void advise_later(struct span reply);
void advise_refuse(struct span reply);

#define ADVISE_LOCAL_ERROR SPAN("451 4.3.0 Local error, try again later")

#endif
