/* SPDX-License-Identifier: ISC */
/* Columns for a person: a time, what happened, to whom; more below it. */
#ifndef SHOW_H
#define SHOW_H

#include "story.h"

/* How the message came: by the line that says it was accepted, if any. */
void show_arrival(const struct story *);

/* One event. */
void show_chapter(const struct story *, size_t i);

/* "name  value", and peer text: whole lines, controls as \xNN. */
void show_head(const char *name, struct span text);
void show_reply(struct span text);
void show_columns(uint64_t us, const char *event, struct span who);

#endif
