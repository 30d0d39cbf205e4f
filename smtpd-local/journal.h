/* SPDX-License-Identifier: ISC */
/* Does a file system keep the order of names across a power cut? */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * True when, in the file system dev that holds path, a rename that is done
 * is never lost while a later unlink in it is kept: xfs, and ext4 that has a
 * journal, which commit changes of names in their order. (ext4 without a
 * journal is the same file system to statfs, and keeps no order; then, and
 * whenever it cannot be learnt, false.)
 */
bool journal_keeps_order(const char *path, dev_t dev);

#endif
