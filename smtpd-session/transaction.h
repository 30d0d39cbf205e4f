/* SPDX-License-Identifier: ISC */
/* The envelope of one message while it is being given. */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "address.h"
#include "command.h"
#include "queuefile.h"

/*
 * One recipient as its R frame says it, and a newline, which no address can
 * hold; <postmaster> may be given the longest of domains.
 */
#define TRANSACTION_RCPT_MAX \
	(sizeof("remote <postmaster@>\n") + ADDRESS_PATH_MAX)
#define TRANSACTION_ROOM (QUEUE_RCPTS_MAX * TRANSACTION_RCPT_MAX)

struct session;

struct transaction {
	unsigned accepted; /* recipients, with those given twice */
	unsigned kept;     /* recipients without them */
	bool deferred;     /* one was refused for now, not for good */
	bool tried;        /* RCPT was said, whatever came of it */
	bool offered;      /* the injector has taken the sender */
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

/* The path, <...>, of such a recipient. */
struct span transaction_path(struct span rcpt);

/* Is this address (case folded) one of the recipients? */
bool transaction_is_to(const struct transaction *, struct span address);

/* The commands; and DATA where no recipient was accepted. */
void transaction_mail(struct session *, struct span argument);
void transaction_rcpt(struct session *, struct span argument);
void transaction_data_for_nobody(struct session *, struct span argument);

#endif
