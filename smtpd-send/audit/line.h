/* SPDX-License-Identifier: ISC */
/* Reads the log back: files, what log.h has written, prefixes, queue ids. */
#ifndef LINE_H
#define LINE_H

#include "queuefile.h"
#include "sbuf.h"

enum line_kind {
	LINE_OTHER,   /* not an event of ours */
	LINE_EVENT,   /* whole, and taken apart */
	LINE_DAMAGED, /* it begins like one, and is not whole */
};

/* All are views into the line. */
struct line {
	struct span prefix; /* what the logger put before: "" or "... " */
	struct span id;     /* a queue id, or "-" */
	struct span prog, event;
	struct span fields; /* what follows these */
};

/*
 * Takes apart one line, without its newline. What a peer said is quoted
 * and escaped, so it can neither begin a line nor add a field.
 *
 * A prefix ends in a tag, as syslog and journalctl write it: the first word
 * with ':' at its end, of a program of ours ("smtpd-queue[17]:"). Or it has
 * no tag and is a time: words that begin with a digit or one of "@+[", names
 * of days and months. Any other line belongs to another program, whatever it
 * quotes.
 */
enum line_kind line_parse(struct span, struct line *) MUST_CHECK;

/*
 * Takes the next field off *fields (a copy of line.fields); false after the
 * last. The value is without its quotes, and still escaped.
 */
bool line_next(struct span *fields, struct span *name, struct span *value);

/* The first field of that name; false without one. */
bool line_get(const struct line *, const char *name, struct span *value);

/* The same, as a number; false also if it is not a number, or above max. */
bool line_number(const struct line *, const char *name, uint64_t max,
    uint64_t *value);

bool line_is(const struct line *, const char *prog, const char *event);

/* Appends a value as it was before it was escaped: any octets. */
void line_text(struct sbuf *, struct span value);

/* --- queue ids, in little room -------------------------------------------- */

struct mailid {
	uint64_t time; /* microseconds since 1970; 0: no id */
	uint32_t random;
};

/* False if it is not an id. */
bool mailid_parse(struct span, struct mailid *) MUST_CHECK;
void mailid_text(const struct mailid *, char out[QUEUE_ID_SIZE]);
bool mailid_eq(const struct mailid *, const struct mailid *);
size_t mailid_hash(const struct mailid *);

/* --- times ----------------------------------------------------------------- */

/*
 * The time that a prefix says, in microseconds since 1970: TAI64N (multilog,
 * s6-log), seconds since 1970, or ISO 8601 with a zone. 0: none of these, as
 * with syslog's, which has neither year nor zone.
 */
uint64_t line_time(struct span prefix);

#define LINE_TIME_LEN 23

/* Appends "2026-11-26 01:02:03.456", UTC. */
void line_time_add(struct sbuf *, uint64_t us);

/* --- the files ------------------------------------------------------------- */

/*
 * Opens all of them; no name or "-" means standard input. A file that cannot be
 * opened is fatal, as are later input errors. Call it before confine.
 */
struct logfile {
	const char *name;
	int fd;
};
struct logfile *logfile_open(char *const names[], int n, int *count);

/* One line without its newline; file: its number, 0 for the first. */
typedef void logfile_line(void *arg, struct span line, int file);

/*
 * Reads them to their ends, one after the other. A last line without newline
 * is still being written and is left out, and so is one that is longer than
 * any of ours.
 */
void logfile_read(const struct logfile *, int count, logfile_line *, void *arg);

#endif
