/* SPDX-License-Identifier: ISC */
/* How far each recipient of a queued message has got, by its progress log. */
#ifndef STATUS_H
#define STATUS_H

#include "queuefile.h"

struct status_child;

/* One message: what its R frames have come to after aliases. */
struct status {
	struct status_child *children;
	size_t n, cap;
	struct sbuf replies;
	bool held; /* by smtpd-send */
	bool kept; /* by the operator */
};

void status_init(struct status *);
void status_free(struct status *);

/*
 * Reads the log at fd. Where it says nothing, or is not this message's, all
 * recipients wait, as without a log.
 */
void status_read(struct status *, int fd, const struct queuefile *);

/*
 * Of the R frame number origin, counted from 0: is anything of it still to
 * be done? reply: the last answer in its case, or empty.
 */
bool status_waits(const struct status *, uint32_t origin, struct span *reply);

#endif
