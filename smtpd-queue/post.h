/* SPDX-License-Identifier: ISC */
/* sendmail's side of the injection conversation: one message. */
#ifndef POST_H
#define POST_H

#include "conf.h"

struct post {
	struct span sender;     /* local-part@domain, or empty: <> */
	struct span recipients; /* each with a "\n" */
	const char *name;       /* full name, or NULL */
	const char *body;       /* parameter of MAIL, or NULL */
	struct span text;
};

enum post_result {
	POST_QUEUED,  /* answer: the id */
	POST_LATER,   /* answer: a 4xx reply */
	POST_REFUSED, /* answer: a 5xx reply */
	POST_LOST,    /* no answer came: errno says why, or is 0 */
};

/* fd: to smtpd-queue; closed. answer: where its words go. */
enum post_result post_send(const struct post *, int fd, const struct conf *,
    struct sbuf *answer) MUST_CHECK;

#endif
