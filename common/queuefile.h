/* SPDX-License-Identifier: ISC */
/* The queue's files on disk: names, commit record, the records of an id.log. */
#ifndef QUEUEFILE_H
#define QUEUEFILE_H

#include "frame.h"

/* --- a message: its file is written once, then only read ------------------ */

/*
 * The format, version 1 (smtpd-queue(5)):
 *
 *	message octets as received (CRLF)
 *	frames C S R H M of the injection conversation, in their order
 *	footer: QUEUEFILE_FOOTER octets of text,
 *	  "smtpd-queue 1 <id> <body> <frames> <nonce> <body crc> <crc>\n"
 *	  body, frames: lengths, 16 and 8 hex digits; nonce: 16 hex digits;
 *	  body crc: CRC-32C of the octets, 8 hex digits; crc: of the frames and
 *	  of the footer before it, 8 hex digits
 *
 * The footer and the mode 0400 are the commit record: a file that has another
 * mode, or no footer with its own id and length, was never acknowledged. A
 * sender cannot write a footer into its message, because it cannot know the
 * id's 32 random bits while it sends.
 */
#define QUEUE_ID_LEN 22 /* 14 hex digits of microseconds, 8 random */
#define QUEUE_ID_SIZE (QUEUE_ID_LEN + 1)
#define QUEUEFILE_FOOTER 98
#define QUEUEFILE_FRAMES_MAX (4 * 1024 * 1024)
#define QUEUE_SHARDS 16 /* by the last digit of the id */
#define QUEUE_RCPTS_MAX 1000

/* A fresh, unique id. False when there is no randomness. */
bool queue_id_new(char id[QUEUE_ID_SIZE]) MUST_CHECK;
bool queue_id_valid(struct span);

/* When the message came, in microseconds since 1970. */
uint64_t queue_id_time(const char *id);

/* Appends "<dir>/<shard>/<id>", dir being "new", "msg", ... */
void queue_path(struct sbuf *, const char *dir, const char *id);

/* CRC-32C (Castagnoli) of more octets; start with 0. */
uint32_t crc32c(uint32_t crc, const void *, size_t);

struct queuefile {
	int fd; /* the caller's; only pread is used */
	char id[QUEUE_ID_SIZE];
	uint64_t body_len, nonce;
	uint32_t frames_len, body_crc;
	char *frames; /* malloc'ed, frames_len octets */
};

enum queuefile_result {
	QUEUEFILE_OK,
	QUEUEFILE_TORN,    /* never committed: the mode, or no footer */
	QUEUEFILE_CORRUPT, /* committed, and damaged since */
	QUEUEFILE_IOERR,   /* errno says */
};

/*
 * Reads and checks footer and frames of the message id. The reader
 * of the octets checks their CRC: it compares crc32c of all with body_crc. After
 * any result but OK, *q holds nothing to close.
 */
enum queuefile_result queuefile_open(struct queuefile *, int fd,
    const char *id) MUST_CHECK;
void queuefile_close(struct queuefile *); /* frees; fd stays open */

/* The next frame; *pos starts at 0. False after the last. */
bool queuefile_next(const struct queuefile *, size_t *pos, struct frame *);

/*
 * The last frame of that kind before *pos, which starts at SIZE_MAX: a later H
 * frame goes above an earlier one. False before the first.
 */
bool queuefile_previous(const struct queuefile *, char tag, size_t *pos,
    struct frame *);

/*
 * Of a frame D "ID REST" that announces a message: its open queue file, the
 * caller's, or -1. *payload: REST.
 */
int queuefile_take(struct chan *, struct span *payload, char id[QUEUE_ID_SIZE]);

/* Formats the footer (no NUL). frames_crc: crc32c of the frames. */
void queuefile_footer(char out[QUEUEFILE_FOOTER], const struct queuefile *,
    uint32_t frames_crc);

/* --- its log: progress_*, how far a message has got after its first try ---- */

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
