/* SPDX-License-Identifier: ISC */
/* What smtpd-verify does with each frame of a message on its way down. */
#ifndef VERIFY_H
#define VERIFY_H

#include "filter.h"
#include "judge.h"

#define VERIFY_FACTS_MAX 4096 /* octets of facts that the judge is told */

struct verify {
	struct filter *filter;
	const struct conf *conf;
	struct judge *judge;
	bool trusted;       /* his socket shows: he is in relay_clients */
	bool judging;       /* the judge gets a copy */
	struct sbuf facts;  /* frames, until S */
	struct sbuf sender; /* domain of the reverse-path */
	struct forged forged;
};

void verify_init(struct verify *, struct filter *, struct judge *);

/* For filter_run: one frame of a session's. */
filter_take verify_take;

#endif
