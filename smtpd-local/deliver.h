/* SPDX-License-Identifier: ISC */
/* From a queue file to the text that a mail reader sees. */
#ifndef DELIVER_H
#define DELIVER_H

#include "queuefile.h"

enum deliver_result {
	DELIVER_OK,
	DELIVER_LOOP,       /* its header has this Delivered-To already */
	DELIVER_DAMAGED,    /* the octets are not those that were taken */
	DELIVER_UNREADABLE, /* of the queue file; errno says why */
	DELIVER_UNWRITABLE, /* of out; errno says why */
};

/*
 * Writes the message to out in constant memory: Return-Path (sender, with its
 * angle brackets), Delivered-To (address), the H frames last first, the
 * message; all lines end in LF. Only after DELIVER_OK is it whole and known
 * to be undamaged.
 */
enum deliver_result deliver_copy(const struct queuefile *, struct span sender,
    struct span address, int out) MUST_CHECK;

#endif
