/* SPDX-License-Identifier: ISC */
/* What the envelope frames of the injection conversation say. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "address.h"
#include "frame.h"

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
