/* SPDX-License-Identifier: ISC */
/* sendmail -bp: what is in the queue. */
#ifndef MAILQ_H
#define MAILQ_H

#include "conf.h"

enum mailq_result {
	MAILQ_OK,
	MAILQ_FORBIDDEN, /* the caller may not read the queue */
	MAILQ_FAILED,    /* errno says why */
};

/*
 * Prints the messages on the standard output, oldest first. Root becomes the
 * owner of the queue before it reads what strangers have written.
 */
enum mailq_result mailq_print(const struct conf *) MUST_CHECK;

#endif
