/* SPDX-License-Identifier: ISC */
/* A message as the queue and smtpd-send show it together. */
#ifndef CTL_MESSAGE_H
#define CTL_MESSAGE_H

#include "conf.h"
#include "queued.h"

/* Messages, and strings about each of them. */
struct ctl_row {
	char id[QUEUE_ID_SIZE];
	size_t at; /* of its first string in text */
};

struct ctl_table {
	struct ctl_row *rows;
	size_t n, cap;
	struct sbuf text; /* NUL-ended strings */
};

void ctl_table_init(struct ctl_table *);
void ctl_table_free(struct ctl_table *);

/* Appends a row, or a string of the last row. False: no memory. */
bool ctl_table_row(struct ctl_table *, const char *id) MUST_CHECK;
bool ctl_table_string(struct ctl_table *, struct span) MUST_CHECK;

/* The queue, and what smtpd-send adds: nothing if it does not run. */
struct ctl_queue {
	const struct conf *conf;
	int dir;
	struct ctl_table
	    live;           /* frames M, H, R and T: each a tag and its text */
	struct sbuf paused; /* destinations, a line each */
	uint64_t now;       /* us */
};

/* Takes a frame into live. False: no memory, or it is malformed. */
bool ctl_queue_hear(struct ctl_queue *, char tag, struct span) MUST_CHECK;

/* Call it when live is complete. False with errno: it cannot be read. */
bool ctl_queue_begin(struct ctl_queue *) MUST_CHECK;

/* s since the message of that id came. */
uint64_t ctl_age(const struct ctl_queue *, const char *id);

struct ctl_message {
	const struct ctl_queue *queue;
	struct queued q;            /* nothing but the id when damaged */
	const struct ctl_row *live; /* or NULL */
	size_t at;                  /* the live string to look at next */
	struct span state, sender;
	struct span reason;      /* why it is not tried as usual, or empty */
	uint64_t next;           /* s until the next try; UINT64_MAX: none */
	struct sbuf by;          /* the memory of reason */
	struct sbuf destination; /* that of the last recipient's */
};

/*
 * OK (also for a damaged one, which has no recipients): ctl_message_free it
 * later. GONE: it came or went just now. IOERR: errno says.
 */
enum queued_result ctl_message_read(const struct ctl_queue *, const char *id,
    struct ctl_message *) MUST_CHECK;
void ctl_message_free(struct ctl_message *);

/* Empty: not known. They last until the next one is read. */
struct ctl_rcpt {
	struct span state, destination, path, host, reply;
};

/*
 * The next recipient, with all also one that is settled; *i starts at 0. False:
 * there is none.
 */
bool ctl_rcpt_next(struct ctl_message *, size_t *i, bool all,
    struct ctl_rcpt *) MUST_CHECK;

/* Does it go to this destination, or is this the domain of its address? */
bool ctl_rcpt_fits(const struct ctl_rcpt *, struct span name);

struct span ctl_domain(struct span path);

/* --- ctl-list.c ----------------------------------------------------------- */

enum ctl_by { CTL_BY_AGE, CTL_BY_DESTINATION, CTL_BY_SENDER };

struct ctl_choice {
	enum ctl_by by;
	bool json, count; /* count: only how many there are of each */
	const char *to;   /* a destination or a domain, or NULL */
	const char *from; /* a sender, or a domain of such, or NULL */
	uint64_t older;   /* s */
};

/*
 * Print on the standard output. False with errno: the queue cannot be read.
 * ctl_show: GONE if there is no such message.
 */
bool ctl_list(struct ctl_queue *, const struct ctl_choice *) MUST_CHECK;
enum queued_result ctl_show(struct ctl_queue *, const char *id,
    bool json) MUST_CHECK;

#endif
