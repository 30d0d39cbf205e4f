/* SPDX-License-Identifier: ISC */
/* The one decision that makes a closed relay. */
#include "relay.h"

/*
 * A route in the local-part: "%" and "!" when it is an atom, since quotes
 * make them mere letters; "@" always, because the next program may drop the
 * quotes that are around it (RFC 5321 4.1.2 lets it).
 */
static bool
hides_route(const struct address *a)
{
	if (span_find(a->local, '@') < a->local.n)
		return true;
	return !a->quoted &&
	    (span_find(a->local, '%') < a->local.n ||
		span_find(a->local, '!') < a->local.n);
}

/* A literal is never local, even one that names this host. */
static bool
is_local(const struct conf *c, const struct address *a)
{
	if (a->literal)
		return false;
	return a->domain.n == 0 || conf_has_domain(c->local_domains, a->domain);
}

enum relay_verdict
relay_decide(const struct conf *c, const struct ip *client,
    const struct address *forward)
{
	if (is_local(c, forward))
		return hides_route(forward) ? RELAY_DENIED : RELAY_LOCAL;
	if (ip_in_networks(c->relay_clients, client))
		return RELAY_REMOTE;
	return RELAY_DENIED;
}

enum relay_verdict
relay_for_user(const struct conf *c, const struct address *forward)
{
	return is_local(c, forward) ? RELAY_LOCAL : RELAY_REMOTE;
}
