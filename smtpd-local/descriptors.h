/* SPDX-License-Identifier: ISC */
/* How many connections a resident program may hold. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stddef.h>

/*
 * Raises the soft limit of descriptors as far as want connections and some
 * more need it; gives how many of them there is room for. Dies (EXIT_TEMP)
 * when there is room for hardly any.
 */
size_t descriptors_for(size_t want);

#endif
