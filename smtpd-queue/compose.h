/* SPDX-License-Identifier: ISC */
/* The header fields that a submitted message gets, or gets when they miss. */
#ifndef COMPOSE_H
#define COMPOSE_H

#include <sys/types.h>

#include "address.h"

#define COMPOSE_NAME_MAX 200 /* octets of a full name that are used */

/* Each appends one whole field, with its CRLF. */
void compose_date(struct sbuf *, time_t);
void compose_message_id(struct sbuf *, const char *id, const char *host);

/*
 * From: name, which may be empty or not ASCII, and the address of the
 * reverse-path; for the null one MAILER-DAEMON at host.
 */
void compose_from(struct sbuf *, struct span name, const struct address *,
    const char *host);

void compose_received(struct sbuf *, uid_t, const char *id, const char *host,
    time_t);

#endif
