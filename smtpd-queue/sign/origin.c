/* SPDX-License-Identifier: ISC */
/* Whose message it is: the domain of its From. */
#include "origin.h"

#include "../addrlist.h"
#include "address.h"

/*
 * The whole list is read: of one that is none, no part is taken for what its
 * reader will see.
 */
bool
origin_domain(struct span value, struct sbuf *domain)
{
	enum addrlist_event e;
	struct addrlist list;
	struct address a;
	struct sbuf b;
	bool found = false;

	sbuf_init(&b, ADDRESS_PATH_MAX);
	sbuf_reset(domain);
	addrlist_init(&list, value);
	while ((e = addrlist_next(&list, &b)) == ADDRLIST_ADDRESS) {
		if (address_mailbox(sbuf_span(&b), &a) != ADDRESS_OK)
			break;
		if (!found)
			sbuf_addspan(domain, a.domain);
		found = true;
	}
	sbuf_free(&b);
	return e == ADDRLIST_END && found && !domain->bad;
}
