/* SPDX-License-Identifier: ISC */
/* The entrances: what each believes, whom it admits, where mail may go. */
#include "entrance.h"

#include "relay.h"

static const struct {
	const char *name, *fact;
} entrances[] = {
	[ENTRANCE_IN] = { "in", "entrance=in" },
	[ENTRANCE_RELAY] = { "relay", "entrance=relay" },
	[ENTRANCE_USER] = { "user", "entrance=user" },
	[ENTRANCE_AUTH] = { "auth", "entrance=user" },
	[ENTRANCE_OWN] = { "own", "entrance=own" },
};

bool
entrance_parse(const char *name, enum entrance *e)
{
	for (size_t i = 0; i < nitems(entrances); i++) {
		if (strcmp(name, entrances[i].name) == 0) {
			*e = (enum entrance)i;
			return true;
		}
	}
	return false;
}

struct span
entrance_fact(enum entrance e)
{
	return span_str(entrances[e].fact);
}

static bool
is_one_of(struct span name, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(name, span_str(words[i])))
			return true;
	return false;
}

/* A local user does not tell us its address: the kernel knows it is here. */
static enum entrance_belief
entrance_believes_user(enum entrance e, struct span fact)
{
	static const char *const known[] = { "uid", "user", "peer", "ip",
		"tls" };
	size_t n = e == ENTRANCE_USER ? nitems(known) : 2;

	return is_one_of(fact, known, n) ? ENTRANCE_IGNORED : ENTRANCE_BELIEVED;
}

enum entrance_belief
entrance_believes(enum entrance e, struct span fact)
{
	static const char *const own[] = { "about", "bounce" };
	static const char *const who[] = { "user", "uid" };

	if (span_eq(fact, SPAN("entrance")))
		return ENTRANCE_REFUSED; /* only we say that */
	if (span_eq(fact, SPAN("id")))
		return ENTRANCE_IGNORED;
	if (is_one_of(fact, own, nitems(own)))
		return e == ENTRANCE_OWN ? ENTRANCE_BELIEVED : ENTRANCE_REFUSED;
	if (span_eq(fact, SPAN("name")))
		return e == ENTRANCE_USER || e == ENTRANCE_AUTH ?
		    ENTRANCE_TOLD :
		    ENTRANCE_IGNORED;
	switch (e) {
	case ENTRANCE_USER:
	case ENTRANCE_AUTH:
		return entrance_believes_user(e, fact);
	case ENTRANCE_IN:
	case ENTRANCE_RELAY:
	case ENTRANCE_OWN:
		break;
	}
	return is_one_of(fact, who, nitems(who)) ? ENTRANCE_REFUSED :
						   ENTRANCE_BELIEVED;
}

bool
entrance_takes_id(enum entrance e)
{
	return e == ENTRANCE_IN || e == ENTRANCE_RELAY || e == ENTRANCE_AUTH;
}

bool
entrance_admits(enum entrance e, const struct conf *conf,
    const struct ip *client)
{
	return e != ENTRANCE_RELAY ||
	    ip_in_networks(conf->relay_clients, client);
}

static enum relay_verdict
entrance_decide(enum entrance e, const struct conf *conf,
    const struct ip *client, const struct address *to)
{
	static const struct ip stranger = { .size = 0 };

	switch (e) {
	case ENTRANCE_IN:
		return relay_decide(conf, &stranger, to);
	case ENTRANCE_RELAY:
		return relay_decide(conf, client, to);
	case ENTRANCE_USER:
	case ENTRANCE_AUTH:
	case ENTRANCE_OWN:
		break;
	}
	return relay_for_user(conf, to);
}

enum entrance_verdict
entrance_recipient(enum entrance e, const struct conf *conf,
    const struct ip *client, struct envelope_path *to)
{
	enum relay_verdict v = entrance_decide(e, conf, client, &to->address);
	bool local = v == RELAY_LOCAL;

	if (v == RELAY_DENIED)
		return ENTRANCE_DENIED;
	if (e == ENTRANCE_USER || e == ENTRANCE_AUTH || e == ENTRANCE_RELAY)
		to->local = local;
	return local == to->local ? ENTRANCE_TAKEN : ENTRANCE_OTHER_CLASS;
}
