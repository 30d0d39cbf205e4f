/* SPDX-License-Identifier: ISC */
/* A program that reads the log and the queue, and does nothing else. */
#ifndef READER_H
#define READER_H

#include "conf.h"

/*
 * Opens the queue, root becoming its owner, and gives up everything but
 * reading it and what is open. The descriptor, or -1 with errno: then there
 * is no queue, and the rest is given up all the same. Fatal when it cannot
 * be given up.
 */
int reader_begin(const struct conf *) MUST_CHECK;

#endif
