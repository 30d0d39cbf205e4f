/* SPDX-License-Identifier: ISC */
/* The balance: what has no end in the log must wait in the queue. */
#ifndef BALANCE_H
#define BALANCE_H

#include "ledger.h"

struct balance {
	int dir;            /* of the queue */
	struct sbuf before; /* what queued_list said before the log was read */
	uint64_t now;       /* when that was, in microseconds since 1970 */
	struct ledger *ledger;
};

/* To be called before the log is read: both may go on changing. */
void balance_begin(struct balance *, struct ledger *, int dir);

/*
 * After that: looks for each open message in the queue, and for each message
 * of the queue in the ledger. What came or went meanwhile is not judged.
 */
void balance_end(struct balance *);

#endif
