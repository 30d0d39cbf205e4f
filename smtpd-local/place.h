/* SPDX-License-Identifier: ISC */
/* A connection to smtpd-lspawn, from its request to the end of its child. */
#ifndef PLACE_H
#define PLACE_H

#include "child.h"
#include "clock.h"

#define PLACE_REQUEST_MAX (1024 + 8) /* one frame on the wire */

/*
 * A connection is first read, up to the end of its one frame U NAME and not
 * an octet further; then it may wait for its turn; then it is the child's,
 * and we keep a copy to say how the child died.
 */
enum place_state { PLACE_FREE, PLACE_READING, PLACE_WAITING, PLACE_RUNNING };

struct place {
	enum place_state state;
	int conn;
	instant deadline;
	pid_t pid;
	uid_t uid;
	char name[USER_NAME_MAX + 1];
	size_t len;
	char request[PLACE_REQUEST_MAX];
};

/* Only root, ourselves and the owner of the queue (the scheduler) may ask. */
bool place_is_obeyed(const struct conf *, int conn);

/*
 * Reads what is there, without waiting. True: the request is whole, the name
 * is in p->name, and what follows it stands unread. False: there is more to
 * wait for, or the place was vacated.
 */
bool place_read(struct place *) MUST_CHECK;

/* Closes the connection; the place is free. */
void place_vacate(struct place *);

/* The same after a last word. */
void place_refuse(struct place *, char tag, const char *text);

/*
 * The child has ended. An end that smtpd-local does not choose itself is told
 * to the scheduler, who counts what kills its deliveries. Vacates.
 */
void place_ended(struct place *, int status);

#endif
