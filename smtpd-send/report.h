/* SPDX-License-Identifier: ISC */
/* The conversation with smtpd-bounce: senders are told what became of mail. */
#ifndef REPORT_H
#define REPORT_H

#include "job.h"
#include "watch.h"

#define REPORT_SLOTS 4     /* conversations at once */
#define REPORT_RCPTS 1000  /* recipients in one notice; more get another */
#define REPORT_ANSWER 1024 /* octets of one answer */
#define REPORT_PATIENCE 4  /* times helper_timeout: it injects mail */

struct report {
	int fd; /* -1: not in use */
	struct job *job;
	struct sbuf out;
	size_t sent; /* octets of it */
	instant deadline;
	size_t len;
	char in[REPORT_ANSWER];
};

struct reports {
	struct report slot[REPORT_SLOTS];
	struct job *head, **tail; /* jobs that wait for a slot */
	unsigned nbusy;
	instant again; /* smtpd-bounce is not dialled before */
	bool failing;  /* it was logged that it cannot be reached */
};

void report_init(struct reports *);

/*
 * What job_report_frames says is to be told; job_reported comes later, and
 * until then the job must not go away.
 */
void report_ask(struct sched *, struct job *);

void report_watch(struct sched *, struct watch *);

/* Starts what waits, ends what is late; the next instant, or NEVER. */
instant report_pump(struct sched *);

#endif
