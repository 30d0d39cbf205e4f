/* SPDX-License-Identifier: ISC */
/* Asking smtpd-rcpt: may mail for this local address be taken? */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "conf.h"
#include "frame.h"

enum link {
	LINK_NEVER,		/* it could not be dialled at the start */
	LINK_UP,
	LINK_LOST,		/* it was up, and broke */
};

struct lookup {
	enum link link;
	uint64_t patience;	/* ms that an answer may take */
	struct chan chan;
};

enum lookup_verdict {
	LOOKUP_YES,
	LOOKUP_REFUSED,		/* *text: the reply, 4xx or 5xx */
	LOOKUP_FAILED,		/* no answer: link says what now */
};

/* Dials conf->rcpt; before the program confines itself. */
void lookup_open(struct lookup *, const struct conf *);

/* path: with its angle brackets. *text lives until the next question. */
enum lookup_verdict lookup_ask(struct lookup *, struct span path,
	struct span *text);

#endif
