/* SPDX-License-Identifier: ISC */
/* What all who take messages in frames have in common. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "conf.h"
#include "frame.h"

/* From now on SIGTERM exits with 0, unless it is held. */
void conversation_catch_term(void);

/* Held from the first frame of a message to its answer. */
void conversation_hold_term(bool);

/* Until when a client may be silent: longer than his own client may. */
instant conversation_deadline(const struct conf *);

/* The next frame; what waits to be sent goes before we wait, not before. */
enum io conversation_next(struct chan *, struct frame *,
    instant deadline) MUST_CHECK;

/* Says why it ended, unless by its end of file; gives the exit code. */
int conversation_end(enum io);

#endif
