/* SPDX-License-Identifier: ISC */
/* The aliases that smtpd-rcpt answers from, as the file is now. */
#ifndef RCPT_TABLE_H
#define RCPT_TABLE_H

#include <sys/stat.h>

#include "clock.h"
#include "recipient.h"

struct rcpt_table {
	struct alias_table aliases;
	struct stat seen; /* the file that they came from, or was wrong */
	instant next_look;
};

/*
 * Loads the aliases at start. Dies when they are wrong, or when postmaster
 * of a local domain leads to nobody (EXIT_PERM), and when that cannot be told
 * (EXIT_TEMP).
 */
void rcpt_table_open(struct rcpt_table *, const struct conf *);

/*
 * Loads a changed file, looking at most once a second, and once it has been
 * left alone for a second: nobody writes it under our eyes. One that
 * is wrong is logged, and the old aliases stay.
 */
void rcpt_table_refresh(struct rcpt_table *);

/* Is postmaster of every local domain still found? */
enum recipient_result rcpt_table_check(const struct alias_table *,
    struct span *domain) MUST_CHECK;

#endif
