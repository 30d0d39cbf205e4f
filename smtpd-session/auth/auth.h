/* SPDX-License-Identifier: ISC */
/*
 * What smtpd-auth and smtpd-auth-file share: the conversation with a session.
 */
#ifndef AUTH_H
#define AUTH_H

#include "ip.h"
#include "conf.h"
#include "confine.h"

#define AUTH_USER_MAX 255
#define AUTH_PASSWORD_MAX 511 /* as long as PAM takes one */
#define AUTH_TRIES 3 /* the conversation ends after so many wrong ones */

enum auth_verdict {
	AUTH_YES,
	AUTH_NO,    /* 535, with one text whatever the reason */
	AUTH_LATER, /* 454: the password cannot be checked */
};

struct auth_question {
	char user[AUTH_USER_MAX + 1]; /* check may replace it */
	char password[AUTH_PASSWORD_MAX + 1];
	char ip[IP_TEXT]; /* of the client; empty: unknown */
	const char *why;  /* set by check, for the log alone */
};

/* Checks the password. Neither it nor the user is empty or has odd octets. */
typedef enum auth_verdict auth_check(struct auth_question *, void *arg);

struct auth {
	const struct conf *conf;
	auth_check *check;
	void *arg;
	int entrance; /* a connection to smtpd-queue for this user's mail */
};

/*
 * Called at the start of main. Serves a listening socket; returns when 0 is a
 * connection from a session (setting session_user, or our own uid), with the
 * entrance open. prepare (or NULL) is called first in all processes.
 *
 * keep: NULL for a program whose modules need a fresh process each; it must
 * then confine itself. Otherwise the program is a warm helper (serve.h), and
 * is confined to keep on return.
 */
void auth_start(struct auth *, int argc, char *argv[], struct conf *,
    void (*prepare)(const struct conf *), const struct confine *keep);

/*
 * Holds the conversation of smtpd-frames(5) to its end; gives the exit code. A
 * session gets one entrance, after one correct password. Every other answer
 * takes 2 to 2.5 s, so that time reveals nothing about the reason.
 */
int auth_serve(struct auth *);

#endif
