/* SPDX-License-Identifier: ISC */
/* What a program says: fatal errors, warnings, one logfmt line per event. */
#ifndef LOG_H
#define LOG_H

#include "span.h"

enum exitcode { EXIT_OK = 0, EXIT_PERM = 100, EXIT_BUG = 101, EXIT_TEMP = 111 };

/* The program's name in all it says; set by program_start. */
extern const char *progname;

/*
 * Called once by die before it exits, for a program that owes its peer a
 * last word (a 421); NULL for most.
 */
extern void (*die_farewell)(void);

/*
 * "progname: fatal: ..." on stderr, then exit. die_sys adds ": " and what
 * errno says.
 */
_Noreturn void die(enum exitcode, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void die_sys(enum exitcode, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "progname: warning: ..."; warn_sys adds what errno says. Keep errno. */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn_sys(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * One event, one line, one write:
 *	id=<id> prog=<progname> event=<event> name=value ...
 * The id is the queue id, or NULL for "-". Values with a blank, '"', '=',
 * '\\', an octet outside 0x21..0x7e or no octet at all are quoted, with
 * \" \\ \n \r \t \xNN inside. A line holds at most 4095 octets: longer values
 * are cut and end in "...". A log that is closed or full loses the line,
 * never stops the program (the next line then says lost=N), and errno is kept.
 */
struct logline {
	char s[4096];
	size_t len;
};

void log_begin(struct logline *, const char *id, const char *event);
void log_span(struct logline *, const char *name, struct span value);
void log_str(struct logline *, const char *name, const char *value);
void log_num(struct logline *, const char *name, uint64_t value);
void log_end(struct logline *);

#endif
