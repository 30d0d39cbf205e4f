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
	struct chan chan;
	struct chan_room *room; /* the owner's; untouched until used */
};

/* One that nobody has dialled: LINK_NEVER. */
void link_init(struct link *, struct chan_room *, const char *name,
    const struct conf *);

/* Dials spec; what fails is logged. Before the program confines itself. */
void link_open(struct link *, struct chan_room *, const char *name,
    const char *spec, const struct conf *);

/* One frame out, buffered; link_flush writes. Failure is sticky: see state. */
void link_send(struct link *, char tag, struct span payload);

/* The same with a descriptor, which stays the caller's; written at once. */
void link_send_fd(struct link *, char tag, struct span payload, int fd);

/* The descriptor goes with what is sent next: see chan_attach. */
void link_attach(struct link *, int fd);
void link_flush(struct link *);

/* The same at once, and without a trace of it in our memory. */
void link_send_secret(struct link *, char tag, struct span payload);

/*
 * One frame in. Who could not write may still read what the helper has said
 * before: on a lost link what has come already counts, and nothing more.
 */
bool link_receive(struct link *, struct frame *) MUST_CHECK;

/* The same for what should have come by now: it is read before it is awaited. */
bool link_expect(struct link *, struct frame *) MUST_CHECK;

/* The descriptor that came with the last frame, now the caller's, or -1. */
int link_take_fd(struct link *);

/*
 * Goes on with fd, a connection to another helper of the kind: what was under
 * way is forgotten, the old one closed.
 */
void link_adopt(struct link *, int fd);

/* The helper makes no sense, or none any more. Logged the first time. */
void link_lose(struct link *, const char *why);
void link_close(struct link *);

#endif
