/* SPDX-License-Identifier: ISC */
/* Files of certificates and keys: who may read them, and have they changed? */
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

/* Numbers that change when the configuration does, or a file it names. */
uint64_t files_conf_stamp(const struct conf *);
uint64_t files_stamp(const struct conf *);

#endif
