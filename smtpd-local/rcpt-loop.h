/* SPDX-License-Identifier: ISC */
/* smtpd-rcpt's clients: many at once, none of them waited for. */
#ifndef RCPT_LOOP_H
#define RCPT_LOOP_H

#include "rcpt-answer.h"

/*
 * Answers all who connect, for ever. Beyond the limit (max_sessions and some
 * more, so that every session has its place) a newcomer takes the place of the
 * one that has been idle longest; a client that does not take its answer for
 * helper_timeout is dropped.
 */
_Noreturn void rcpt_loop(int listener, struct rcpt_table *);

#endif
