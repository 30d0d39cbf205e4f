/* SPDX-License-Identifier: ISC */
/* One message on its way out: what smtpd-send gave us, and the verdicts. */
#ifndef MAIL_H
#define MAIL_H

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
	bool damaged;       /* the queue file is: nothing of it may leave */
	struct mail_rcpt rcpts[MAIL_RCPTS];
	size_t nrcpts;
};

/* Sets the verdict of one that is still open; text is copied. */
void mail_decide(struct mail_rcpt *, enum mail_verdict, const char *stage,
    struct span text);

/* The same for all that are open; accepted: of those that were accepted. */
void mail_decide_all(struct mail *, enum mail_verdict, const char *stage,
    struct span text);

/* Are there recipients that the server took and that wait for the dot? */
bool mail_accepted(const struct mail *);

/* Octets of the message as it goes out, without dot-stuffing. */
uint64_t mail_size(const struct mail *);

/*
 * Receives one message (D S R... E). IO_EOF: there is none any more (Q or
 * the end). IO_ERROR with EPROTO: not of this protocol.
 */
enum io mail_receive(struct mail *, struct chan *) MUST_CHECK;

/*
 * Sends the verdicts; whoever is still open is deferred. tls: how the
 * connection was secured; "": not at all.
 */
enum io mail_answer(struct mail *, struct chan *, const char *host,
    const char *tls) MUST_CHECK;

void mail_close(struct mail *);

#endif
