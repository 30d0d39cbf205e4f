/* SPDX-License-Identifier: ISC */
/* What the libraries do once a process is done before there is any mail. */
#ifndef REHEARSE_H
#define REHEARSE_H

#include "resolve.h"

/*
 * Judges a message of its own, with a DNS of its own in the place of that of
 * *resolve: for a process that is going to be forked for each conversation.
 * signatures_init has been called. What comes of it does not matter.
 */
void rehearse(struct resolve *);

#endif
