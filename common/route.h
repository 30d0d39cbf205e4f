/* SPDX-License-Identifier: ISC */
/* Where the mail of a domain goes: its own MX, or what the settings say. */
#ifndef ROUTE_H
#define ROUTE_H

#include "conf.h"

#define ROUTE_MAX 600 /* octets of a destination */

/*
 * Appends the destination of a domain, as smtpd-remote takes it:
 *
 *	mx DOMAIN [PORT]	by its MX records
 *	host NAME [PORT [tls]]	this host and no other, a name or an IP address;
 *				tls: from the first octet (RFC 8314), port 465
 *
 * Settings routes and smarthost decide; case does not matter. A rule for the
 * domain itself goes before those for the domains above it, the nearest of
 * which counts, and all of them before smarthost.
 */
void route_find(struct sbuf *, const struct conf *, struct span domain);

/*
 * The same for the domain if the settings said target: "-", or as
 * route_target_valid has it.
 */
void route_to(struct sbuf *, struct span target, struct span domain);

/*
 * Appends where a recipient goes, as the operator writes and reads it:
 *
 *	example.com example.com:26	other hosts, by MX records
 *	[mail.example.net]:587		that host alone
 *	local:joe			a user here
 *
 * target: "user NAME <path>", "remote <path>", or anything else, of which
 * nothing is known yet. route: a destination that goes before the settings,
 * or empty.
 */
void route_destination(struct sbuf *, const struct conf *, struct span target,
    struct span route);

/* One word of routes: DOMAIN=TARGET or .DOMAIN=TARGET (all below it). */
bool route_valid(struct span word);

/*
 * HOST[:PORT]: the MX of that name; [HOST][:PORT] or an IP address: that host
 * itself; "-": the MX of the recipient's own domain.
 */
bool route_target_valid(struct span target);

#endif
