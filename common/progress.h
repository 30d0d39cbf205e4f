/* SPDX-License-Identifier: ISC */
/* The log of a message that outlived its first try: how far it has got. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "sbuf.h"

/*
 * queue/msg/<shard>/<id>.log holds lines, only ever added:
 *
 *	<crc> <record>\n	crc: CRC-32C of the record, 8 hex digits
 *
 *	log 1 <id> <nonce>	the first: the nonce of the queue file. Another
 *				one: this is not that message's log
 *	rcpt <index> <addressee> user <name> <address>
 *	rcpt <index> <addressee> remote <path>
 *				what the R frame of that number (from 0) is
 *				expanded to; index tells it from all others
 *	done <index> <attempt> <time> <reply>		delivered
 *	failed <index> <attempt> <time> <reply>		refused for good
 *	deferred <index> <attempt> <time> <reply>	to be tried again
 *	refused <addressee> <attempt> <time> <reply>	smtpd-rcpt knows no such recipient
 *	bounced <index> <attempt> <time> <notice>	the sender was told, by
 *				a notice of that id; of an addressee that was
 *				never expanded its number
 *	told <attempt> <time> <what> <notice>	delayed: the sender was told
 *				so; held: postmaster was
 *	tried <attempts> <next>	a try is over; when the next one is due
 *	crash <count> <how>	a delivery died by it
 *	held <why>		not tried any more until a later tried record:
 *				crash (until it expires), expired (the sender
 *				is to be told)
 *	order <time> <what> <who>	the operator's: hold (whatever else
 *				comes, until), release; bounce, remove
 *	route <index> <destination>	where the operator sends that rcpt
 *
 * queue/paused is such a log too, for the id "paused" and the nonce 0, of
 *
 *	pause <time> <destination>
 *	resume <time> <destination>
 *
 * Times are seconds since 1970; a reply is an SMTP reply line. The first line
 * that is not whole ends the log: a crash left it, and it is cut off before
 * the next line is added.
 */
#define PROGRESS_REPLY_MAX 8192   /* of failed: for the bounce */
#define PROGRESS_DEFERRED_MAX 512 /* of the others */
#define PROGRESS_LINE_MAX (PROGRESS_REPLY_MAX + 256)

enum progress_kind {
	PROGRESS_LOG,
	PROGRESS_RCPT,
	PROGRESS_DONE,
	PROGRESS_FAILED,
	PROGRESS_DEFERRED,
	PROGRESS_REFUSED,
	PROGRESS_BOUNCED,
	PROGRESS_TOLD,
	PROGRESS_TRIED,
	PROGRESS_CRASH,
	PROGRESS_HELD,
	PROGRESS_ORDER,
	PROGRESS_ROUTE,
	PROGRESS_PAUSE,
	PROGRESS_RESUME,
};

struct progress_record {
	enum progress_kind kind;
	uint32_t number;  /* index, addressee, attempt, attempts or count */
	uint32_t other;   /* rcpt: addressee; verdicts: attempt */
	uint64_t time;    /* verdicts, orders: when; tried: next */
	struct span text; /* rcpt: "user ..."; reply, how, why */
};

/* One line, without its newline. False when it is not whole, or not ours. */
bool progress_parse(struct span line, struct progress_record *) MUST_CHECK;

/* Appends the first line of a message's log. */
void progress_begin(struct sbuf *, const char *id, uint64_t nonce);

/* Appends one line. Controls in the text become '?'; it is cut when long. */
void progress_add(struct sbuf *, const struct progress_record *);

enum progress_result {
	PROGRESS_READ,
	PROGRESS_OTHER, /* empty, or of another message: start anew */
	PROGRESS_IOERR, /* errno says */
};

/*
 * Calls each for every record after the first, up to the first torn line;
 * *length is where the next record belongs.
 */
enum progress_result progress_read(int fd, const char *id, uint64_t nonce,
    uint64_t *length, void (*each)(void *, const struct progress_record *),
    void *arg) MUST_CHECK;

/*
 * Cuts the log off at *length, appends lines there, and moves *length. On
 * failure the log is as it was.
 */
bool progress_append(int fd, uint64_t *length, struct span lines) MUST_CHECK;

#endif
