/* SPDX-License-Identifier: ISC */
/* What a client says of a message goes to the injector while it is said. */
#ifndef OFFER_H
#define OFFER_H

#include "span.h"

struct session;

/*
 * Offers one more recipient (the payload of R), and before the first one all
 * that is known of the message; buffered until inject_flush. False when it is
 * not taken: then the reply is given.
 */
bool offer_recipient(struct session *, struct span rcpt) MUST_CHECK;

#endif
