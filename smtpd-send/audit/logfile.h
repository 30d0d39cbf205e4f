/* SPDX-License-Identifier: ISC */
/* The log files of a command line, line by line. */
#ifndef LOGFILE_H
#define LOGFILE_H

#include "span.h"

/*
 * Opens all of them; none means standard input, and so does "-". What cannot
 * be opened is fatal, as are input errors later. To be called before rights
 * are given up.
 */
struct logfile {
	const char *name;
	int fd;
};
struct logfile *logfile_open(char *const names[], int n, int *count);

/* One line without its newline; file: its number, 0 for the first. */
typedef void logfile_line(void *arg, struct span line, int file);

/*
 * Reads them to their ends, one after the other. A last line without newline
 * is still being written and is left out, and so is one that is longer than
 * any of ours.
 */
void logfile_read(const struct logfile *, int count, logfile_line *, void *arg);

#endif
