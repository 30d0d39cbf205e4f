/* SPDX-License-Identifier: ISC */
/* What smtpd-auth and smtpd-auth-file share: the talk with one session. */
#ifndef AUTH_H
#define AUTH_H

#include "cidr.h"
#include "conf.h"
#include "confine.h"

#define AUTH_USER_MAX 255
#define AUTH_PASSWORD_MAX 511 /* as long as PAM takes one */
#define AUTH_TRIES 3          /* wrong ones, then the talk ends */

enum auth_verdict {
	AUTH_YES,
	AUTH_NO,    /* 535, with one text whatever the reason */
	AUTH_LATER, /* 454: nobody can tell */
};

struct auth_question {
	char user[AUTH_USER_MAX + 1]; /* check may put another in place */
	char password[AUTH_PASSWORD_MAX + 1];
	char ip[IP_TEXT]; /* of the client; empty: unknown */
	const char *why;  /* set by check, for the log alone */
};

/* Says whether it is this user's password. Neither is empty or odd. */
typedef enum auth_verdict auth_check(struct auth_question *, void *arg);

struct auth {
	const struct conf *conf;
	auth_check *check;
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
void auth_start(struct auth *, int argc, char *argv[], struct conf *,
    void (*prepare)(const struct conf *), const struct confine *keep);

/*
 * The conversation of smtpd-frames(5), to its end; gives the exit code. A
 * session gets one entrance, after one right password. Every other answer
 * takes 2 to 2.5 s, so that time says nothing of why.
 */
int auth_serve(struct auth *);

#endif
