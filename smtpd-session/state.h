/* SPDX-License-Identifier: ISC */
/* The state machine: one table of what each command does in each state. */
#ifndef STATE_H
#define STATE_H

#include "span.h"

struct session;

/* The text after DATA is no state: the action of DATA reads to its end. */
enum state {
	STATE_START, /* no EHLO or HELO yet */
	STATE_READY, /* no transaction */
	STATE_MAIL,  /* a sender, no recipient that was accepted */
	STATE_RCPT,  /* a sender and recipients */
};
#define STATES 4

enum argument { ARGUMENT_NONE, ARGUMENT_SOME, ARGUMENT_ANY };

typedef void action(struct session *, struct span argument);

struct verb {
	const char *name;
	enum argument argument;
	bool at_once;        /* RFC 2920 3.2: its reply is not held back */
	bool idle;           /* moves no mail: only so many of them */
	bool in_clear;       /* even where TLS is required */
	action *act[STATES]; /* NULL: 503 */
};

/* The verb of this name (case folded), or NULL. */
const struct verb *state_verb(struct span name);

/* Does what the table says of one whole command line. */
void state_obey(struct session *, struct span line);

#endif
