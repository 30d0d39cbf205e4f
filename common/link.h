/* SPDX-License-Identifier: ISC */
/* The client's side of a conversation with a helper. */
#ifndef LINK_H
#define LINK_H

#include "conf.h"
#include "frame.h"

/*
 * A connection is made once and may be lost. Failure is sticky: on a lost link
 * nothing more is sent, but an answer that the helper gave before is still
 * read. It counts, although the rest of the question could not be written: a
 * helper that refuses early and closes has said why.
 */
enum link_state {
	LINK_NEVER, /* it was never connected */
	LINK_UP,
	LINK_LOST, /* it broke; a confined program cannot connect again */
};

struct link {
	enum link_state state;
	const char
	    *name;       /* the setting, for the log; NULL: nothing is logged */
	const char *why; /* it was lost */
	uint64_t patience; /* ms that an answer may take */
	instant
	    deadline; /* of all that follows, in place of patience; 0: none */
	struct chan chan;
	struct chan_room *room; /* the owner's; untouched until used */
};

/* Makes a link that is not connected: LINK_NEVER. */
void link_init(struct link *, struct chan_room *, const char *name,
    const struct conf *);

/*
 * Connects to the helper spec. A failure is logged if there is a name, and
 * errno says why. Call it before the program confines itself.
 */
void link_open(struct link *, struct chan_room *, const char *name,
    const char *spec, const struct conf *);

/*
 * Continues with fd, a connection to another helper of the kind. The old one is
 * closed, and its conversation forgotten.
 */
void link_adopt(struct link *, int fd);

/* The helper is gone or makes no sense. Logged the first time. */
void link_lose(struct link *, const char *why);
void link_close(struct link *);

/* One frame out, buffered; link_flush writes. */
void link_send(struct link *, char tag, struct span payload);
void link_flush(struct link *);

/* The same with a descriptor, which stays the caller's; written at once. */
void link_send_fd(struct link *, char tag, struct span payload, int fd);

/* The descriptor goes with what is sent next: see chan_attach. */
void link_attach(struct link *, int fd);

/* The same as link_send, written at once and wiped from our memory. */
void link_send_secret(struct link *, char tag, struct span payload);

/*
 * One frame in; sends the buffered frames first. False: no frame came in time.
 * The link is then closed, so that a late answer is not taken for the answer to
 * the next question.
 */
bool link_receive(struct link *, struct frame *) MUST_CHECK;

/* The same for a frame that should be here by now: saves the poll(2). */
bool link_expect(struct link *, struct frame *) MUST_CHECK;

/* The descriptor that came with the last frame, now the caller's, or -1. */
int link_take_fd(struct link *);

/* --- answers ------------------------------------------------------------- */

enum link_answer {
	LINK_YES,     /* K; *text: its payload */
	LINK_REFUSED, /* Z or X; *text: the reply, 4xx or 5xx */
	LINK_FAILED,  /* no answer, or a malformed one: the link is lost */
};

#define LINK_REPLY_MAX 510 /* octets of a line without CRLF */

/*
 * Is it Z with a 4xx reply, or X with a 5xx one, that can be passed on to a
 * client: code, blank, enhanced code of the same class, blank, printable text?
 */
bool link_is_refusal(const struct frame *);

/* The answer that is in a frame. *text is a view into it. */
enum link_answer link_read(struct link *, const struct frame *,
    struct span *text) MUST_CHECK;

/* Waits for one answer; *text lives until the next. */
enum link_answer link_answer(struct link *, struct span *text) MUST_CHECK;

/* Sends one question and waits for its answer. */
enum link_answer link_ask(struct link *, char tag, struct span payload,
    struct span *text) MUST_CHECK;

#endif
