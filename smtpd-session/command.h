/* SPDX-License-Identifier: ISC */
/* The wire: command lines in, with their parameters, and replies out. */
#ifndef COMMAND_H
#define COMMAND_H

#include "bufio.h"

/*
 * Octets of a command line with its CRLF: RFC 5321 4.5.3.1.4, and the room
 * that SIZE (RFC 1870) and 8BITMIME (RFC 6152) add to MAIL.
 */
#define COMMAND_MAX (512 + 26 + 17)

/* MAIL, to which AUTH adds more (RFC 4954 3); and the longest of all lines. */
#define COMMAND_MAIL_MAX (COMMAND_MAX + 500)
#define COMMAND_SASL_MAX (sizeof("AUTH SCRAM-SHA-256-PLUS \r\n") + 12288)

/* After this many octets without a CRLF the session gives up. */
#define COMMAND_PATIENCE 65536

/* All but MORE and ENDLESS are the end of one line, which gets one reply. */
enum command_event {
	COMMAND_MORE,    /* no whole line yet */
	COMMAND_LINE,    /* *line is one, without its CRLF */
	COMMAND_LONG,    /* too long for its kind; *line is not set */
	COMMAND_BARE_CR, /* *line contains a CR, LF or NUL: it is */
	COMMAND_BARE_LF, /* never executed, not even in parts */
	COMMAND_NUL,
	COMMAND_ENDLESS, /* over COMMAND_PATIENCE octets and no CRLF */
};

struct command {
	size_t scanned; /* state: octets of in known to hold no CRLF */
	size_t skipped; /* octets of this line that were discarded */
	bool sasl;      /* this line is a response (RFC 4954), not a command */
};

/*
 * Looks for one line at the start of in, which is everything read and not yet
 * taken; only CRLF ends a line. The caller takes *used octets, whatever the
 * event, and after MORE calls again with more behind the rest. The rest stays
 * below COMMAND_SASL_MAX + 1 octets, so a buffer of that size never blocks.
 */
enum command_event command_push(struct command *, struct span in, size_t *used,
    struct span *line);

/*
 * Splits a line into its verb (up to the first blank) and its trimmed
 * argument. A line that is empty or begins with a blank has no verb.
 */
void command_split(struct span line, struct span *verb, struct span *argument);

/* --- the parameters of MAIL and RCPT: RFC 5321, 1870, 6152, 4954 ----------- */

enum parameter_result {
	PARAMETER_OK,
	PARAMETER_UNKNOWN, /* 555: well-formed, but not known */
	PARAMETER_SYNTAX,
	PARAMETER_TWICE,
	PARAMETER_BAD_SIZE,
	PARAMETER_BAD_BODY,
	PARAMETER_BAD_AUTH,
};

struct parameters {
	uint64_t size; /* as declared; 0: not said */
	bool has_size, has_body, has_auth;
};

/* All parameters of a MAIL command, blank-separated. */
enum parameter_result parameter_mail(struct span text, struct parameters *);

/* All parameters of a RCPT command, of which none is known yet. */
enum parameter_result parameter_rcpt(struct span text);

/* --- replies: one line each, written in groups (RFC 2920) ------------------ */

#define REPLY_MAX 510 /* octets of a line without CRLF: RFC 5321 4.5.3.1.5 */

struct reply {
	struct outbuf out;
	uint64_t patience; /* ms that the client may take to read */
	bool broken;       /* sticky: the client no longer reads */
	unsigned refused;  /* 5xx replies so far */
	char last[REPLY_MAX + 1];
	char mem[1024];
};

void reply_init(struct reply *, int fd, uint64_t patience);

/*
 * Adds one reply line. Octets that no reply may contain become '?', and a line
 * over REPLY_MAX is cut. Writes when the buffer is full; failure shows in
 * broken.
 */
void reply(struct reply *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes all waiting replies. */
void reply_flush(struct reply *);

#endif
