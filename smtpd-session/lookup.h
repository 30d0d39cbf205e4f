/* SPDX-License-Identifier: ISC */
/* Asking smtpd-rcpt: may mail for this local address be taken? */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "link.h"

enum lookup_verdict {
	LOOKUP_YES,
	LOOKUP_REFUSED, /* *text: the reply, 4xx or 5xx */
	LOOKUP_FAILED,  /* no answer: the link's state says what now */
};

/* path: with its angle brackets. *text lives until the next question. */
enum lookup_verdict lookup_ask(struct link *, struct span path,
    struct span *text);

#endif
