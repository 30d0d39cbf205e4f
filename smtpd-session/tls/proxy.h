/* SPDX-License-Identifier: ISC */
/* Between a client's socket and a session's clear text stands an engine. */
#ifndef PROXY_H
#define PROXY_H

#include "clock.h"
#include "engine.h"

struct proxy {
	struct engine *engine; /* started */
	int client;
	int session;       /* clear text; -1: not yet, or not any more */
	uint64_t patience; /* ms that a client may take to read */
	bool client_eof, session_eof;
};

/* NULL when the handshake is good, or why it is not. */
const char *proxy_handshake(struct proxy *, instant deadline);

/*
 * Carries octets both ways until both have no more to say, or one is gone.
 * The client's end is told with a goodbye, and read for a while after it, so
 * that unread octets of his do not take our last ones from him.
 */
void proxy_run(struct proxy *);

#endif
