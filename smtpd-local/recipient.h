/* SPDX-License-Identifier: ISC */
/* Who gets the mail for an address: aliases, then mailboxes. */
#ifndef RECIPIENT_H
#define RECIPIENT_H

#include "alias.h"

enum recipient_result {
	RECIPIENT_OK,
	RECIPIENT_UNKNOWN, /* for certain */
	RECIPIENT_CANNOT,  /* cannot be determined now */
};

/*
 * May mail for this address, in a local domain, be accepted? An address without
 * a domain (postmaster) is in the first local domain. An alias is good when one
 * of its ends is.
 */
enum recipient_result recipient_known(const struct alias_table *,
    const struct address *) MUST_CHECK;

/*
 * Appends a T frame for each end of the address:
 *	T user NAME <address>	a mailbox, and the value of Delivered-To
 *	T remote <address>	to be sent elsewhere
 * Beside good ends, an end that does not exist is listed as a user too: its
 * delivery fails, and the sender is told. Not OK: nothing is appended.
 */
enum recipient_result recipient_expand(const struct alias_table *,
    const struct address *, struct sbuf *out) MUST_CHECK;

/*
 * The same for a message marked as junk, which is not sent on: ends elsewhere
 * are left out. When no other end is good, postmaster gets it.
 */
enum recipient_result recipient_expand_junk(const struct alias_table *,
    const struct address *, struct sbuf *out) MUST_CHECK;

#endif
