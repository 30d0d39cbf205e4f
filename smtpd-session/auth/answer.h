/* SPDX-License-Identifier: ISC */
/* What smtpd-auth and smtpd-auth-file share: the talk with one session. */
#ifndef ANSWER_H
#define ANSWER_H

#include "cidr.h"
#include "conf.h"
#include "confine.h"

#define ANSWER_USER_MAX 255
#define ANSWER_PASSWORD_MAX 511 /* as long as PAM takes one */
#define ANSWER_TRIES 3          /* wrong ones, then the talk ends */

enum answer_verdict {
	ANSWER_YES,
	ANSWER_NO,    /* 535, with one text whatever the reason */
	ANSWER_LATER, /* 454: nobody can tell */
};

struct question {
	char user[ANSWER_USER_MAX + 1]; /* check may put another in place */
	char password[ANSWER_PASSWORD_MAX + 1];
	char ip[IP_TEXT]; /* of the client; empty: unknown */
	const char *why;  /* set by check, for the log alone */
};

/* Says whether it is this user's password. Neither is empty or odd. */
typedef enum answer_verdict answer_check(struct question *, void *arg);

struct answer {
	const struct conf *conf;
	answer_check *check;
	void *arg;
	int entrance; /* a connection to where users' mail comes in */
};

/*
 * At the start of main: returns when 0 is a connection, from a session
 * (setting session_user, or our own uid), and opens the entrance. A listening
 * socket is served. prepare (or NULL) is called first in all processes.
 *
 * keep: NULL for a program whose modules need a fresh process each, which
 * then confines itself; else this is a warm helper (serve.h), and returns
 * confined to keep.
 */
void answer_start(struct answer *, int argc, char *argv[], struct conf *,
    void (*prepare)(const struct conf *), const struct confine *keep);

/*
 * The conversation of smtpd-frames(5), to its end; gives the exit code. A
 * session gets one entrance, after one right password. Every other answer
 * takes 2 to 2.5 s, so that time says nothing of why.
 */
int answer_all(struct answer *);

#endif
