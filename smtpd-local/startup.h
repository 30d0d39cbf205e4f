/* SPDX-License-Identifier: ISC */
/* What the resident programs check before they serve a client. */
#ifndef STARTUP_H
#define STARTUP_H

#include "conf.h"

/*
 * Raises the soft limit of descriptors for want connections and some more, and
 * returns how many of them there is room for. Dies (EXIT_TEMP) when there is
 * room for hardly any.
 */
size_t startup_descriptors(size_t want);

/*
 * Dies when nss_sentinel cannot prove anything (EXIT_PERM) or is not found
 * (EXIT_TEMP). With mailbox_root no sentinel is needed.
 */
void startup_sentinel(const struct conf *);

#endif
