/* SPDX-License-Identifier: ISC */
/* One message in the queue: is it whole, and what does its own log say? */
#ifndef LOOK_H
#define LOOK_H

#include "balance.h"

enum place { PLACE_QUEUED, PLACE_GONE, PLACE_TORN, PLACE_CORRUPT };

struct look {
	struct balance *balance;
	const struct mail *mail; /* or NULL */
	bool held;               /* set by look_at: it is not tried */
};

/* Ends that the log lacks become findings; input errors are fatal. */
enum place look_at(struct look *, const struct mailid *);

#endif
