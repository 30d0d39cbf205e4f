/* SPDX-License-Identifier: ISC */
/* What the commands do: the right hand side of the table in state.c. */
#ifndef ACTION_H
#define ACTION_H

#include "state.h"

/* Each gives exactly one reply, and moves the state when it succeeds. */
action action_ehlo, action_helo, action_rset, action_noop, action_quit;
action action_vrfy, action_expn, action_help, action_http;

/* secure.c */
action action_starttls;

/* transaction.c */
action action_mail, action_rcpt, action_data_for_nobody;

/* auth.c; also reads the responses. */
action action_auth;

/* data.c; also reads the text and replies to its end. */
action action_data;

#endif
