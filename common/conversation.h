/* SPDX-License-Identifier: ISC */
/* The serving side of a conversation in frames, on descriptors 0 and 1. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "conf.h"
#include "frame.h"

/*
 * How many conversations to serve at once: for each of so many entrances those
 * of all sessions, and some more. So one entrance cannot starve another.
 */
unsigned conversation_limit(const struct conf *, unsigned entrances);

/* From now on SIGTERM exits with 0, unless it is held. */
void conversation_catch_term(void);

/* Held from the first frame of a message to its answer. */
void conversation_hold_term(bool);

/* Until when a client may be silent: longer than its own client may. */
instant conversation_deadline(const struct conf *);

/*
 * The next frame. Buffered answers are sent before we wait for it, not before
 * that. IO_EOF also if the peer left without reading our last words.
 */
enum io conversation_next(struct chan *, struct frame *,
    instant deadline) MUST_CHECK;

/* Sends a frame and all that is buffered. */
enum io conversation_answer(struct chan *, char tag, struct span payload,
    instant deadline) MUST_CHECK;

/* Gives the exit code after end of file; otherwise says why and dies. */
int conversation_end(enum io);

#endif
