/* SPDX-License-Identifier: ISC */
/* The queue, read without a lock: its messages, and each recipient's state. */
#ifndef QUEUED_H
#define QUEUED_H

#include "conf.h"
#include "queuefile.h"

#define QUEUED_MAX 10000000    /* messages that can be listed */
#define QUEUED_RCPTS_MAX 20000 /* of one message, aliases expanded */

/* --- the directory -------------------------------------------------------- */

/*
 * Opens the queue to read it as its owner: root becomes the owner for good.
 * -1 with errno; EPERM also when the owner is root.
 */
int queued_dir(const char *path) MUST_CHECK;

/*
 * For a program that reads the queue and its own descriptors only: it gives up
 * all other rights before it parses what strangers have written. dir: -1 if
 * it does not read the queue either.
 */
void queued_confine(const struct conf *, int dir);

/*
 * Sets ids to the messages, oldest first, QUEUE_ID_SIZE octets each: the id,
 * and 'n' (it is in new/) or 'm' (in msg/). One that moves meanwhile is listed
 * once. False with errno.
 */
bool queued_list(int dir, struct sbuf *ids) MUST_CHECK;

/*
 * Sets names to the destinations that the operator has paused, a line each.
 * False with errno.
 */
bool queued_paused(int dir, struct sbuf *names) MUST_CHECK;

/* --- one message ---------------------------------------------------------- */

enum queued_state {
	QUEUED_WAITING,
	QUEUED_FAILED, /* refused for good; its sender must be told */
	QUEUED_DELIVERED,
	QUEUED_BOUNCED, /* its sender was told */
};

/* Numbers of type size_t are places of strings in text; 0: no string. */
struct queued_rcpt {
	uint32_t index;     /* its number within the message */
	uint32_t addressee; /* the number of its R frame */
	enum queued_state state;
	bool expanded; /* an R frame that other recipients replace */
	uint64_t time; /* of the last answer, s since 1970; 0: none */
	size_t target; /* "local <path>", "remote <path>", "user NAME <path>" */
	size_t route;  /* where the operator sends it */
	size_t reply;  /* the last one */
	size_t notice; /* bounced: the id of the message that says so */
	size_t reply_room;
};

struct queued {
	char id[QUEUE_ID_SIZE];
	struct queuefile
	    file;            /* its lengths, nonce and frames; no descriptor */
	uint64_t log_length; /* of what is whole in the log */
	bool logged;         /* there is a log of this message */
	bool junk;           /* marked as such */

	/* First each R frame, its number being its index; then what the log
	 * says that they are expanded to. */
	struct queued_rcpt *rcpts;
	size_t naddressees, n, cap;
	size_t at; /* where the last record's rcpt was found */

	struct sbuf text; /* NUL-ended strings, the first one empty */
	size_t sender;    /* the reverse-path */

	uint32_t tries, crashes;
	uint64_t next; /* when it is due, s since 1970; 0: no try has ended */
	size_t held;   /* why smtpd-send does not try it */
	size_t kept;   /* which operator holds it */
	size_t order;  /* the operator's last order, "WHAT WHO" */
	bool given_up, discarded; /* by the operator */
	bool told_delay, told_hold;
};

enum queued_result {
	QUEUED_OK,
	QUEUED_GONE,      /* it is not in the queue (any more) */
	QUEUED_RECEIVING, /* it is being received */
	QUEUED_TORN,      /* it was never complete */
	QUEUED_CORRUPT,   /* it is damaged */
	QUEUED_IOERR,     /* errno says */
};

/* Reads a message and its log. After OK, queued_free it. */
enum queued_result queued_read(struct queued *, int dir,
    const char *id) MUST_CHECK;

/*
 * The two steps of it, for a program that has the files open: the envelope;
 * and the log, which is applied as far as it is whole. A log of another
 * message counts as none. After any result of either, queued_free it.
 */
enum queued_result queued_envelope(struct queued *, int fd,
    const char *id) MUST_CHECK;
enum progress_result queued_log(struct queued *, int fd) MUST_CHECK;

void queued_free(struct queued *);

/* The string at that place. */
struct span queued_text(const struct queued *, size_t at);

/* The address of a target, with its angle brackets. */
struct span queued_address(struct span target);

/* Is it a path, or a target, that can be in a frame, a record or a log line? */
bool queued_path_valid(struct span);
bool queued_target_valid(struct span);

/* Does this one count as a recipient, and is anything left to do for it? */
bool queued_is_open(const struct queued_rcpt *);

#endif
