/* SPDX-License-Identifier: ISC */
/* What stands after a filter: frames go there, the verdict comes back. */
#ifndef DOWNSTREAM_H
#define DOWNSTREAM_H

#include "conf.h"
#include "frame.h"
#include "queuefile.h"

#define LOCAL_ERROR "451 4.3.0 Local error, try again later"

struct downstream {
	struct chan *chan;
	uint64_t patience; /* ms, for each step */
	bool lost;         /* it has gone: no message after this one */
	char verdict;      /* K, Z or X once it is known, else NUL */
	struct sbuf reply;
};

void downstream_init(struct downstream *, struct chan *, const struct conf *);

/* Before each message. */
void downstream_forget(struct downstream *);

/*
 * Send what is nothing to send any more once the verdict is known. Who is
 * found gone has his last word read, which is then the verdict; else it is Z.
 */
void downstream_pass(struct downstream *, char tag, struct span payload);
void downstream_flush(struct downstream *);

/* The same with a descriptor, which stays the caller's; written at once. */
void downstream_pass_fd(struct downstream *, char tag, struct span payload,
    int fd);

/* Our own verdict: downstream abandons the message. The first one counts. */
void downstream_refuse(struct downstream *, char tag, struct span reply);

/* Waits for the answer to S. False: there is none. */
bool downstream_hear_id(struct downstream *, char id[QUEUE_ID_SIZE]) MUST_CHECK;

/* Waits for the verdict, unless it is known; then it is. */
void downstream_hear_verdict(struct downstream *);

/* The reply that goes with the verdict. */
struct span downstream_reply(const struct downstream *);

#endif
