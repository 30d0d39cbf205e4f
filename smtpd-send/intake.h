/* SPDX-License-Identifier: ISC */
/* The conversation with smtpd-rcpt: who are the recipients of a message? */
#ifndef INTAKE_H
#define INTAKE_H

#include "job.h"

#define INTAKE_PENDING 64 /* questions that wait for an answer */
#define INTAKE_JOBS 64    /* jobs in line, beyond which none is opened */

struct question {
	struct job *job; /* NULL: gone meanwhile */
	unsigned origin;
};

struct intake {
	struct chan *chan;        /* static; its descriptor -1: not connected */
	struct sbuf out;          /* questions not written yet */
	struct job *head, **tail; /* jobs with origins to ask for */
	unsigned njobs;           /* with smtpd-rcpt or in line */
	struct question pending[INTAKE_PENDING];
	unsigned first, npending;
	unsigned mark;    /* rcpts of the job before this answer */
	bool answering;   /* mark is set */
	bool refused;     /* the answer is more than we take */
	bool failing;     /* it was logged that it cannot be reached */
	instant deadline; /* for the next answer */
	instant again;    /* not to be dialled before */
};

void intake_init(struct intake *);

/* Asks for all unexpanded local origins; job_expanded or job_release ends it. */
void intake_ask(struct sched *, struct job *);

/* smtpd-rcpt's descriptor to poll, or -1. */
int intake_fd(const struct intake *);

/* It is readable. */
void intake_ready(struct sched *);

/* Sends what waits, watches the deadline; gives the next instant, or NEVER. */
instant intake_pump(struct sched *);

#endif
