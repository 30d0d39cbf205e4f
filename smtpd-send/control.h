/* SPDX-License-Identifier: ISC */
/* The operator's socket: who connects there, what they say and are told. */
#ifndef CONTROL_H
#define CONTROL_H

#include "clock.h"
#include "order.h"

#define CONTROL_CLIENTS 8 /* at once; more wait in line */
#define CONTROL_IN (ORDER_TEXT_MAX + ORDER_WHO_MAX + 64)

struct control_client {
	int fd; /* -1: free */
	struct order order;
	struct sbuf out;
	size_t sent;
	instant deadline; /* it says, or reads, something until then */
	size_t len;
	bool ended; /* says no more */
	bool last;  /* closed when all is sent */
	char in[CONTROL_IN];
};

struct controls {
	int fd;    /* listening; -1: there is none */
	uid_t uid; /* ours */
	instant again;
	struct control_client client[CONTROL_CLIENTS];
};

struct watch;

/*
 * With fd the listening socket that systemd gave, or -1: then it is made at
 * conf.control. Without it mail goes its way all the same.
 */
void control_init(struct sched *, int fd);

void control_watch(struct sched *, struct watch *);

/* Carries out what was said. Gives when it wants to be called again. */
instant control_pump(struct sched *);

#endif
