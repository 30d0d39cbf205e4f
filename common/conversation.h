/* SPDX-License-Identifier: ISC */
/* The serving side: signals, deadline, and the frames of an envelope apart. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "address.h"
#include "conf.h"
#include "frame.h"

/* --- a conversation in frames, on descriptors 0 and 1 --------------------- */

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

/* --- what the envelope frames of an injection say ------------------------- */

/*
 *	C name=value			a fact, one a frame
 *	S <reverse-path> [PARAM ...]	as on the wire
 *	R class <forward-path> [PARAM ...]	class: local or remote
 */
struct envelope_path {
	struct address address;
	struct span path;   /* with the angle brackets */
	struct span params; /* blank-separated, may be empty */
	bool local;         /* R: class */
};

/* All are views into the payload. False when malformed. */
bool envelope_fact(struct span payload, struct span *name,
    struct span *value) MUST_CHECK;
bool envelope_sender(struct span payload, struct envelope_path *) MUST_CHECK;
bool envelope_recipient(struct span payload, struct envelope_path *) MUST_CHECK;

/* How far the envelope of a message has come. */
enum envelope_stage {
	ENVELOPE_NONE, /* before its first frame */
	ENVELOPE_FACTS,
	ENVELOPE_SENDER,
	ENVELOPE_RECIPIENTS,
	ENVELOPE_TEXT, /* only its owner sets this one */
};

struct envelope_part {
	struct span name, value;   /* C */
	struct envelope_path path; /* S, R */
};

/*
 * Takes a frame C, S or R apart and moves the stage on: facts, one sender,
 * recipients. False: the frame is malformed or out of order.
 */
bool envelope_take(enum envelope_stage *, const struct frame *,
    struct envelope_part *) MUST_CHECK;

/* Is this the mark of junk, which is kept apart and not sent on? */
bool envelope_marks_junk(const struct frame *);

#endif
