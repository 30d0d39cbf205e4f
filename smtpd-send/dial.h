/* SPDX-License-Identifier: ISC */
/* Opening a helper from a poll loop, which must never wait. */
#ifndef DIAL_H
#define DIAL_H

#include "conf.h"
#include "span.h"

/*
 * helper_open without waiting: a non-blocking descriptor, or -1 with errno.
 * EAGAIN: the backlog is full, try soon.
 */
int dial(const char *spec, const struct conf *) MUST_CHECK;

/* Must the helper be exec'd, rather than connected to? */
bool dial_is_command(const char *spec);

#endif
