/* SPDX-License-Identifier: ISC */
/* AUTH (RFC 4954): the dialogue, and what a success changes. */
#ifndef AUTH_H
#define AUTH_H

#include "conf.h"

struct session;

/* Wrong passwords that a session may try. */
#define AUTH_FAILURES_MAX 3

/* Can there be a session with these settings that is offered AUTH? */
bool auth_is_possible(const struct conf *);

/* Does EHLO say AUTH now? */
bool auth_is_offered(const struct session *);

/*
 * Is the client to log in before it may send? Replies when it is. Without a
 * helper to ask that is a reply of 4xx.
 */
bool auth_is_missing(struct session *) MUST_CHECK;

#endif
