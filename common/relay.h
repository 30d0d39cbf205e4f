/* SPDX-License-Identifier: ISC */
/* The one decision that makes a closed relay. */
#ifndef RELAY_H
#define RELAY_H

#include "address.h"
#include "ip.h"
#include "conf.h"

enum relay_verdict {
	RELAY_LOCAL,  /* in local_domains: ask smtpd-rcpt */
	RELAY_REMOTE, /* elsewhere, and this client may */
	RELAY_DENIED, /* 550 5.7.1 Relay access denied */
};

/*
 * May mail for this forward-path come in at the entrance for strangers, from
 * a client at this address? smtpd-session asks, and smtpd-queue asks again.
 * A local-part that hides a route (an unquoted "%" or "!", or an "@" even
 * within quotes) is denied in local domains too. The empty domain
 * (<postmaster>) is local.
 */
enum relay_verdict relay_decide(const struct conf *, const struct ip *client,
    const struct address *forward);

/* The same for one of our own users: RELAY_LOCAL or RELAY_REMOTE. */
enum relay_verdict relay_for_user(const struct conf *,
    const struct address *forward);

#endif
