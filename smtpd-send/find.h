/* SPDX-License-Identifier: ISC */
/* Finding messages: the start's scan, the listing of new/, the hints. */
#ifndef FIND_H
#define FIND_H

#include "sched.h"

/* All of the queue; removes logs without a message. At the start, once. */
void find_all(struct sched *);

/* The socket of that type which systemd gives (LISTEN_FDS), or -1. */
int find_given(int type);

/* The socket of hints, made at conf.wakeup or given by systemd. Fatal. */
int find_hints_open(const struct conf *);

/* Takes the hints that wait at the socket. */
void find_hints(struct sched *, int hints);

/*
 * new/ is listed every two seconds, so that no lost hint matters; a crowded
 * one shard by shard, so that it does not stop the loop.
 */
struct listing {
	instant next;   /* when to begin again */
	unsigned shard; /* the next; 0: not begun */
	instant begun;
};

/* Goes on with it; gives when to be called again. */
instant find_more(struct sched *, struct listing *);

/* It is due now, even if it is held; after what runs, if it is worked on. */
void find_make_due(struct sched *, struct message *);

/* Everything is, but what the operator holds. */
void find_due_now(struct sched *);

#endif
