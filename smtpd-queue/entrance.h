/* SPDX-License-Identifier: ISC */
/* Who speaks decides what is believed: the rules of the three entrances. */
#ifndef ENTRANCE_H
#define ENTRANCE_H

#include "cidr.h"
#include "conf.h"
#include "envelope.h"

enum entrance {
	ENTRANCE_IN,   /* strangers, through smtpd-session */
	ENTRANCE_USER, /* our users, through smtpd-submit */
	ENTRANCE_OWN,  /* bounces */
};

bool entrance_parse(const char *name, enum entrance *) MUST_CHECK;

/* The fact that stands first in the file: "entrance=in". */
struct span entrance_fact(enum entrance);

/* May the client of this entrance state the fact of this name? */
bool entrance_believes(enum entrance, struct span fact) MUST_CHECK;

enum entrance_verdict {
	ENTRANCE_TAKEN,
	ENTRANCE_DENIED,      /* 550: no mail for there from this client */
	ENTRANCE_OTHER_CLASS, /* 451: local for one of us, not for the other */
};

/*
 * Decides again what the client has decided: smtpd-session may be in a
 * stranger's hand. client: of size 0 when unknown.
 */
enum entrance_verdict entrance_recipient(enum entrance, const struct conf *,
    const struct ip *client, const struct envelope_path *) MUST_CHECK;

#endif
