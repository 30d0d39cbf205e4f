/* SPDX-License-Identifier: ISC */
/* Addresses from header fields or from the command line. */
#ifndef ADDRLIST_H
#define ADDRLIST_H

#include "sbuf.h"

/*
 * An address-list of RFC 5322 sections 3.4 and 4.4 (obsolete syntax): display
 * names, comments, folded lines, groups, routes, empty places between commas.
 * It uses only the caller's memory.
 */
struct addrlist {
	struct span rest;
	bool in_group; /* between ":" and ";" */
};

enum addrlist_event {
	ADDRLIST_END,
	ADDRLIST_ADDRESS, /* one is in the sbuf */
	ADDRLIST_BAD,     /* malformed; do not go on */
};

void addrlist_init(struct addrlist *, struct span list);

/*
 * The next address, as local-part@domain without comments, blanks or route, or
 * a local-part alone; address_mailbox says whether it is valid. One that does
 * not fit into the sbuf is BAD.
 */
enum addrlist_event addrlist_next(struct addrlist *, struct sbuf *);

#endif
