/* SPDX-License-Identifier: ISC */
/* What the resident programs check before they serve anybody. */
#ifndef STARTUP_H
#define STARTUP_H

#include "conf.h"

/*
 * Raises the soft limit of descriptors as far as want connections and some
 * more need it; gives how many of them there is room for. Dies (EXIT_TEMP)
 * when there is room for hardly any.
 */
size_t startup_descriptors(size_t want);

/*
 * Dies when nss_sentinel cannot prove anything (EXIT_PERM) or is not found
 * (EXIT_TEMP). With mailbox_root there is nothing to prove.
 */
void startup_sentinel(const struct conf *);

#endif
