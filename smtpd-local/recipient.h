/* SPDX-License-Identifier: ISC */
/* Who gets the mail for an address: aliases, then mailboxes. */
#ifndef RECIPIENT_H
#define RECIPIENT_H

#include "alias.h"

enum recipient_result {
	RECIPIENT_OK,
	RECIPIENT_UNKNOWN, /* for certain */
	RECIPIENT_CANNOT,  /* nobody can tell now */
};

/*
 * May mail for this address, in a local domain, be taken? An address without
 * domain (postmaster) is of the first local domain. An alias is good when one
 * of its ends is.
 */
enum recipient_result recipient_known(const struct alias_table *,
    const struct address *) MUST_CHECK;

/*
 * Appends a T frame for each end of the address:
 *	T user NAME <address>	a mailbox, and what its Delivered-To says
 *	T remote <address>	to be sent elsewhere
 * An end that does not exist stands beside good ones as a user too: its
 * delivery fails, and the sender hears of it. Not OK: nothing is appended.
 */
enum recipient_result recipient_expand(const struct alias_table *,
    const struct address *, struct sbuf *out) MUST_CHECK;

/*
 * The same for a message that is marked as junk, which is not sent on: the
 * ends elsewhere are left out. Where no other is good, postmaster gets it.
 */
enum recipient_result recipient_expand_junk(const struct alias_table *,
    const struct address *, struct sbuf *out) MUST_CHECK;

#endif
