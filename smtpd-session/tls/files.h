/* SPDX-License-Identifier: ISC */
/* Files of certificates and keys, and who may read them. */
#ifndef FILES_H
#define FILES_H

#include "conf.h"

#define FILES_MAX (256 * 1024) /* octets of one */

/*
 * Reads a whole file. False: *why says what is wrong. A secret one must
 * belong to us and be of mode 0600 or stricter. The text is the caller's to
 * wipe and free; its lines end in LF, the last one too.
 */
struct file {
	char *text;
	size_t n, used; /* used: what there is to wipe */
};

bool file_read(struct span path, bool secret, struct file *,
    struct sbuf *why) MUST_CHECK;
void file_wipe(struct file *);

/* serve_reads for each of the blank-separated paths. */
void files_are_read(const char *list);

#endif
