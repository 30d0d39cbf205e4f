/* SPDX-License-Identifier: ISC */
/* Addresses out of To, Cc and Bcc, or off the command line. */
#ifndef ADDRLIST_H
#define ADDRLIST_H

#include "sbuf.h"

/*
 * An address-list as RFC 5322 section 3.4 writes it, and as section 4.4 has
 * it been written: display names, comments, folded lines, groups, routes,
 * empty places between commas. No memory but the caller's.
 */
struct addrlist {
	struct span rest;
	bool in_group; /* between ":" and ";" */
};

enum addrlist_event {
	ADDRLIST_END,
	ADDRLIST_ADDRESS, /* one is in the sbuf */
	ADDRLIST_BAD,     /* no address-list; do not go on */
};

void addrlist_init(struct addrlist *, struct span list);

/*
 * The next address, as local-part@domain without comments, blanks or route;
 * or a local-part alone. Which of these are addresses, address_mailbox says.
 * One that does not fit into the sbuf is BAD.
 */
enum addrlist_event addrlist_next(struct addrlist *, struct sbuf *);

#endif
