/* SPDX-License-Identifier: ISC */
/* What smtpd-send asks for: one notice, in frames. */
#ifndef REQUEST_H
#define REQUEST_H

#include "notice.h"

/*
 * A notice to postmaster about a notice that failed bears this fact. When it
 * fails as well, nobody is told: that ends every loop.
 */
#define REQUEST_LAST_RESORT "bounce=postmaster"

/*
 *	D ID KIND		failed, delayed or held; the message as descriptor
 *	F ACTION HOST <path> TEXT	one recipient: failed, expired, delayed
 *	O <path>		what the sender wrote for the one before
 *	E			write it
 */
struct request {
	struct queuefile original; /* its fd is ours; -1: none yet */
	struct notice notice;
	struct sbuf text; /* what the recipients' views point into */
	struct request_at {
		size_t fields, fields_len, original, original_len;
	} at[NOTICE_RCPTS];  /* where, while text may still move */
	struct span sender;  /* <mailbox> of the original, or "<>" */
	struct sbuf mailbox; /* what sender points into */
	bool last_resort;    /* the original is that notice */
};

void request_init(struct request *);

/* Ready for the next one. */
void request_reset(struct request *, const struct conf *);

/* One frame other than E. False: this makes no sense; errno says of D. */
bool request_take(struct request *, struct chan *,
    const struct frame *) MUST_CHECK;

/* E: everything is there. Sets the recipients' views. */
bool request_end(struct request *) MUST_CHECK;

/*
 * Whom to tell: the sender; postmaster of a notice that failed, and of what
 * is held; or nobody (false). domain: of our postmaster.
 */
bool request_reader(const struct request *, struct span domain,
    struct sbuf *to) MUST_CHECK;

#endif
