/* SPDX-License-Identifier: ISC */
/* One message in the queue: the file's format, written once, then only read. */
#ifndef QUEUEFILE_H
#define QUEUEFILE_H

#include "frame.h"

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

#endif
