/* SPDX-License-Identifier: ISC */
/* One message on its way out: received, put on the wire, and its verdicts. */
#ifndef REMOTE_MAIL_H
#define REMOTE_MAIL_H

#include "bufio.h"
#include "frame.h"
#include "queuefile.h"

#define MAIL_RCPTS 1000
#define MAIL_TEXT 7600 /* octets of a verdict's text */

enum mail_verdict { MAIL_OPEN, MAIL_DELIVERED, MAIL_DEFERRED, MAIL_FAILED };

struct mail_rcpt {
	uint32_t index;   /* smtpd-send's own */
	struct span path; /* <forward-path>, in mail.memory */
	enum mail_verdict verdict;
	const char *stage; /* where it was decided: "rcpt", "dot", ... */
	char *text;        /* malloc'ed: the verbatim reply, or ours */
	bool accepted;     /* the server took the RCPT */
};

struct mail {
	struct queuefile file;
	char *memory; /* of sender and paths */
	size_t used;
	struct span sender; /* <reverse-path> */
	bool eightbit;      /* BODY=8BITMIME was declared */
	bool damaged;       /* the queue file is: nothing of it may be sent */
	struct mail_rcpt rcpts[MAIL_RCPTS];
	size_t nrcpts;
};

/* Sets the verdict of a recipient that has none yet; copies text. */
void mail_decide(struct mail_rcpt *, enum mail_verdict, const char *stage,
    struct span text);

/* The same for all recipients without a verdict. */
void mail_decide_all(struct mail *, enum mail_verdict, const char *stage,
    struct span text);

/* Has the server accepted recipients that have no verdict yet? */
bool mail_accepted(const struct mail *);

/* Octets of the message as it is sent, without dot-stuffing. */
uint64_t mail_size(const struct mail *);

/*
 * Receives one message (D S R... E). IO_EOF: there are no more (Q or end of
 * file). IO_ERROR with EPROTO: malformed.
 */
enum io mail_receive(struct mail *, struct chan *) MUST_CHECK;

/*
 * Sends the verdicts; recipients without one are deferred. tls: how the
 * connection was secured; "": in clear.
 */
enum io mail_answer(struct mail *, struct chan *, const char *host,
    const char *tls) MUST_CHECK;

void mail_close(struct mail *);

/*
 * The octets after DATA (RFC 5321 4.5.2): doubles a dot at the beginning of a
 * line; a bare CR or LF becomes CRLF. Initialise with { 0 }.
 */
struct stuff {
	bool in_line; /* not at the beginning of a line */
	bool cr;      /* a CR came last and is not written yet */
};

enum io stuff_add(struct stuff *, struct outbuf *, struct span,
    instant) MUST_CHECK;

/* Ends an unfinished line; the final dot may follow. */
enum io stuff_finish(struct stuff *, struct outbuf *, instant) MUST_CHECK;

#endif
