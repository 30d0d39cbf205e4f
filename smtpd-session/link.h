/* SPDX-License-Identifier: ISC */
/* A connection to a helper that is dialled once and may be lost. */
#ifndef LINK_H
#define LINK_H

#include "conf.h"
#include "frame.h"

enum link_state {
	LINK_NEVER, /* it could not be dialled at the start */
	LINK_UP,
	LINK_LOST, /* it was up, and broke: nobody can dial now */
};

struct link {
	enum link_state state;
	int fd;            /* -1: closed */
	const char *name;  /* the setting, for the log */
	uint64_t patience; /* ms that an answer may take */
	bool begun;        /* chan is set up */
	struct chan *chan; /* the owner's; large, so untouched until used */
};

/* Dials spec; what fails is logged. Before the program confines itself. */
void link_open(struct link *, struct chan *, const char *name, const char *spec,
    const struct conf *);

/* One frame out, buffered; link_flush writes. Failure is sticky: see state. */
void link_send(struct link *, char tag, struct span payload);

/* The same with a descriptor, which stays the caller's; written at once. */
void link_send_fd(struct link *, char tag, struct span payload, int fd);
void link_flush(struct link *);

/*
 * One frame in. Who could not write may still read what the helper has said
 * before: on a lost link what has come already counts, and nothing more.
 */
bool link_receive(struct link *, struct frame *) MUST_CHECK;

/* The helper makes no sense, or none any more. Logged the first time. */
void link_lose(struct link *, const char *why);
void link_close(struct link *);

#endif
