/* SPDX-License-Identifier: ISC */
/* Who speaks decides what is believed: the rules of the three entrances. */
#include "entrance.h"

#include "relay.h"

static const char *const facts[] = {
	[ENTRANCE_IN] = "entrance=in",
	[ENTRANCE_USER] = "entrance=user",
	[ENTRANCE_OWN] = "entrance=own",
};

bool
entrance_parse(const char *name, enum entrance *e)
{
	for (size_t i = 0; i < nitems(facts); i++) {
		if (strcmp(name, facts[i] + sizeof("entrance")) == 0) {
			*e = (enum entrance)i;
			return true;
		}
	}
	return false;
}

struct span
entrance_fact(enum entrance e)
{
	return span_str(facts[e]);
}

bool
entrance_believes(enum entrance e, struct span fact)
{
	if (span_eq(fact, SPAN("entrance")))
		return false; /* that one is our own word */
	if (span_eq(fact, SPAN("about")) || span_eq(fact, SPAN("bounce")))
		return e == ENTRANCE_OWN;
	return e != ENTRANCE_IN ||
	    !(span_eq(fact, SPAN("user")) || span_eq(fact, SPAN("uid")));
}

enum entrance_verdict
entrance_recipient(enum entrance e, const struct conf *conf,
    const struct ip *client, const struct envelope_path *to)
{
	enum relay_verdict v = e == ENTRANCE_IN ?
	    relay_decide(conf, client, &to->address) :
	    relay_for_user(conf, &to->address);

	if (v == RELAY_DENIED)
		return ENTRANCE_DENIED;
	return (v == RELAY_LOCAL) == to->local ? ENTRANCE_TAKEN :
						 ENTRANCE_OTHER_CLASS;
}
