/* SPDX-License-Identifier: ISC */
/* What the files of the ledger module share among themselves. */
#ifndef LEDGER_PARTS_H
#define LEDGER_PARTS_H

#include "ledger.h"

/* Flags of the finished: all ends there were, and how many numbers. */
#define LEDGER_END_BITS 5

/* p; without memory the program ends. */
void *ledger_need(void *p);

/* The open message of that id, or a fresh one; NULL: it is finished. */
struct mail *ledger_open(struct ledger *, const struct mailid *);

/* To be called after each change: forgets what is finished. */
void ledger_settle(struct ledger *, struct mail *);

/* Somebody who had these ends has one more. */
void ledger_add_double(struct ledger *, const struct mailid *,
    const struct line *, unsigned had, unsigned end);

/* The same, of a message that is finished. */
void ledger_add_late(struct ledger *, const struct mailid *,
    const struct line *, uint32_t n, unsigned end);

#endif
