/* SPDX-License-Identifier: ISC */
/* A mail transaction: the envelope of one message as the client gives it. */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "address.h"
#include "command.h"
#include "queuefile.h"

/*
 * One recipient as the payload of its R frame, and a newline, which no address
 * can contain. <postmaster> may get the longest domain.
 */
#define TRANSACTION_RCPT_MAX \
	(sizeof("remote <postmaster@>\n") + ADDRESS_PATH_MAX)
#define TRANSACTION_ROOM (QUEUE_RCPTS_MAX * TRANSACTION_RCPT_MAX)

struct session;

struct transaction {
	unsigned accepted; /* recipients, including duplicates */
	unsigned kept;     /* recipients without duplicates */
	bool deferred;     /* at least one recipient was answered with 4xx */
	bool tried;        /* there was a RCPT command, accepted or not */
	bool offered;      /* the injector has accepted the sender */
	size_t sender_len, rcpts_len;
	char *rcpts; /* payloads of R, TRANSACTION_ROOM octets */
	char sender[COMMAND_MAIL_MAX + 1]; /* payload of S */
};

void transaction_reset(struct transaction *);

/* Takes the next recipient (the payload of R) off *rest; false at the end. */
bool transaction_next(struct span *rest, struct span *rcpt);

static inline struct span
transaction_rcpts(const struct transaction *t)
{
	return span_of(t->rcpts, t->rcpts_len);
}

/* The path, <...>, in the payload of such a frame. */
struct span transaction_path(struct span rcpt);

/* Is this address (case folded) one of the recipients? */
bool transaction_is_to(const struct transaction *, struct span address);

/* The commands MAIL and RCPT, and DATA without an accepted recipient. */
void transaction_mail(struct session *, struct span argument);
void transaction_rcpt(struct session *, struct span argument);
void transaction_data_for_nobody(struct session *, struct span argument);

#endif
