/* SPDX-License-Identifier: ISC */
/* What the connection and its transactions share of a client's inside. */
#ifndef CLIENT_PARTS_H
#define CLIENT_PARTS_H

#include "client.h"

/* Time-outs of RFC 5321 4.5.3.2, in ms; smtp_timeout replaces them all. */
#define WAIT_GREETING 300000
#define WAIT_COMMAND 300000 /* EHLO, MAIL, RCPT */
#define WAIT_DATA 120000
#define WAIT_BLOCK 180000
#define WAIT_DOT 600000
#define WAIT_QUIT 2000 /* politeness has an end */

/* ms from now, or smtp_timeout; never beyond the whole delivery's end. */
instant client_wait(const struct client *, uint64_t ms);

/* -1 with errno. */
int client_dial(const struct client *, const struct ip *, uint16_t port);
void client_close(struct client *);

/*
 * Is it the client's turn? IO_ERROR with EALREADY: the server has said what
 * nobody asked for, and whose reply is whose can no more be told. IO_EOF: it
 * has hung up. Only when nothing is owed.
 */
enum io client_turn(struct client *) MUST_CHECK;

/* Adds a command line to what will be written; one reply more is owed. */
enum io client_say(struct client *, const char *verb,
    struct span argument) MUST_CHECK;

/*
 * Writes what waits, then reads one reply into answer. IO_OK: it is whole.
 * Else client_lost tells what to say of it.
 */
enum io client_hear(struct client *, uint64_t ms) MUST_CHECK;

/* EHLO, then HELO for who does not know EHLO; notes what is offered. */
bool client_hello(struct client *, struct client_failure *) MUST_CHECK;

/* STARTTLS, the handshake, EHLO again. */
bool client_starttls(struct client *, const char *name,
    const struct client_plan *, struct client_failure *) MUST_CHECK;

/* The handshake alone. */
bool client_handshake(struct client *, const char *name,
    const struct client_plan *, struct client_failure *) MUST_CHECK;

/* AUTH with the plan's user and password. Any failure is a deferral. */
bool client_login(struct client *, const struct client_plan *,
    struct client_failure *) MUST_CHECK;

/* A failure of the conversation: r is not IO_OK. */
struct client_failure client_broken(const char *stage, enum io r);

/* A deferral by our own word: "451 4.7.4 ..." */
struct client_failure client_deferral(const char *stage, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What any other end of the four above means to the sender: "4xx 4.4.2 ..." */
struct span client_lost(enum io r);

/*
 * What the reply just heard means where success was wanted. Its text is
 * verbatim, unless the code is not one that the verdict may have.
 */
struct client_failure client_refusal(const struct client *, const char *stage);

#endif
