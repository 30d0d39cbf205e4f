/* SPDX-License-Identifier: ISC */
/* The files that a warm process has read: are they still the same? */
#ifndef READS_H
#define READS_H

#include <stdbool.h>
#include <stdint.h>

/* Nothing was read before this wall time, in microseconds. */
void reads_begin(uint64_t since);

/* A file, or directory, that is read now, or is not there. path: kept. */
bool reads_add(const char *path);

/*
 * Has one changed, so that a successor would see another? asked: one is being
 * started already.
 */
bool reads_changed(bool asked);

/*
 * The successor could not start: what it has seen is not tried again for a
 * minute, but any other state of the files is.
 */
void reads_refused(void);
bool reads_may_try(void);

#endif
