/* SPDX-License-Identifier: ISC */
/* The messages in the queue, with what smtpd-send adds: chosen and printed. */
#ifndef CTL_LIST_H
#define CTL_LIST_H

#include "conf.h"
#include "queued.h"

/* --- what smtpd-send keeps in its memory alone ---------------------------- */

struct ctl_live_rcpt {
	uint32_t index;
	size_t state, destination, host, reply; /* in text; 0: none */
};

struct ctl_live_message {
	char id[QUEUE_ID_SIZE];
	size_t state, reason; /* in text; 0: none */
	uint64_t next;        /* s; UINT64_MAX: none */
	size_t first, nrcpts; /* in rcpts */
};

struct ctl_live {
	struct sbuf text; /* NUL-ended strings; the first is empty */
	struct ctl_live_message *messages;
	struct ctl_live_rcpt *rcpts;
	size_t nmessages, nrcpts, messages_cap, rcpts_cap;
};

void ctl_live_init(struct ctl_live *);

/* Takes a frame M, H, R or T. False: no memory, or it is malformed. */
bool ctl_live_take(struct ctl_live *, char tag, struct span) MUST_CHECK;

/* --- the list ------------------------------------------------------------- */

enum ctl_by { CTL_BY_AGE, CTL_BY_DESTINATION, CTL_BY_SENDER };

struct ctl_choice {
	enum ctl_by by;
	bool json, count; /* count: only how many there are of each */
	const char *to;   /* a destination or a domain, or NULL */
	const char *from; /* a sender, or a domain of such, or NULL */
	uint64_t older;   /* s */
};

struct ctl_list {
	const struct conf *conf;
	int dir; /* the queue's */
	struct ctl_live live;
	struct sbuf paused; /* destinations, a line each */
	uint64_t now;       /* us */
};

/*
 * Print on the standard output. Call them when live is complete, or left
 * empty because smtpd-send does not run. False with errno: the queue cannot be
 * read. ctl_show: QUEUED_GONE if there is no such message.
 */
bool ctl_list(struct ctl_list *, const struct ctl_choice *) MUST_CHECK;
enum queued_result ctl_show(struct ctl_list *, const char *id,
    bool json) MUST_CHECK;

#endif
