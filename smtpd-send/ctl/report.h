/* SPDX-License-Identifier: ISC */
/* What smtpd-send has told of messages: kept, chosen, sorted, printed. */
#ifndef REPORT_H
#define REPORT_H

#include "sbuf.h"

enum report_by { BY_AGE, BY_DESTINATION, BY_SENDER };

struct report_choice {
	enum report_by by;
	bool json, count; /* count: only how many there are of each */
	const char *to;   /* a destination or a domain, or NULL */
	const char *from; /* a sender, or a domain of such, or NULL */
	uint64_t older;   /* s */
};

struct mail_rcpt {
	size_t state, target, path, host, reply; /* in text; 0: none */
};

struct mail {
	uint64_t born; /* us */
	uint64_t size, tries;
	size_t id, state, sender, reason, facts; /* in text; 0: none */
	uint64_t next;                           /* s; UINT64_MAX: none */
	size_t nfacts;        /* strings, one after the other */
	size_t first, nrcpts; /* in rcpts */
};

struct report {
	struct sbuf text; /* NUL-ended strings; the first is empty */
	struct mail *mails;
	struct mail_rcpt *rcpts;
	size_t nmails, nrcpts, mails_cap, rcpts_cap;
	uint64_t now; /* us */
};

void report_init(struct report *);
void report_free(struct report *);

/* Takes a frame M, H, C, R or T. False: no memory, or it makes no sense. */
bool report_take(struct report *, char tag, struct span payload) MUST_CHECK;

/* On the standard output. False: no memory. */
bool report_list(const struct report *,
    const struct report_choice *) MUST_CHECK;
void report_show(const struct report *, bool json);

/* --- json.c ------------------------------------------------------------------ */

/*
 * Prints a string of JSON, in ASCII; what is no UTF-8 becomes U+FFFD, octet
 * by octet.
 */
void json_string(struct span);

#endif
