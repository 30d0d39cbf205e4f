/* SPDX-License-Identifier: ISC */
/* What is right in a configuration, but hardly what one wants. */
#ifndef DOUBT_H
#define DOUBT_H

#include "conf.h"

/* A warning for each on stderr. No key is read, only looked for. */
void doubt(const struct conf *);

/* Of it, what concerns mail to other hosts. */
void doubt_remote(const struct conf *);

#endif
