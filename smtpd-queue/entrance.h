/* SPDX-License-Identifier: ISC */
/* Who speaks decides what is believed: the rules of the entrances. */
#ifndef ENTRANCE_H
#define ENTRANCE_H

#include "ip.h"
#include "conf.h"
#include "envelope.h"

enum entrance {
	ENTRANCE_IN,    /* strangers, through smtpd-session */
	ENTRANCE_RELAY, /* clients in relay_clients, which show their socket */
	ENTRANCE_USER,  /* local users: the kernel says who */
	ENTRANCE_AUTH,  /* users with a password: smtpd-auth has said who */
	ENTRANCE_OWN,   /* bounces */
};

bool entrance_parse(const char *name, enum entrance *) MUST_CHECK;

/* The fact that stands first in the file: "entrance=in". */
struct span entrance_fact(enum entrance);

enum entrance_belief {
	ENTRANCE_BELIEVED, /* stored, and told to advisers */
	ENTRANCE_TOLD,     /* told to advisers alone */
	ENTRANCE_IGNORED,  /* we know better */
	ENTRANCE_REFUSED,
};

/* What becomes of the fact of this name. */
enum entrance_belief entrance_believes(enum entrance,
    struct span fact) MUST_CHECK;

/* Does the client choose the id of its message? Sessions do. */
bool entrance_takes_id(enum entrance) MUST_CHECK;

/* May a client at this address (of size 0: unknown) use the entrance at all? */
bool entrance_admits(enum entrance, const struct conf *,
    const struct ip *client) MUST_CHECK;

enum entrance_verdict {
	ENTRANCE_TAKEN,       /* in the class that is now in the path */
	ENTRANCE_DENIED,      /* 550: no mail for there from this client */
	ENTRANCE_OTHER_CLASS, /* 451: local for one of us, not for the other */
};

/*
 * Decides again what the client has decided: smtpd-session may be in a
 * stranger's hand. Of our own users we take no class but say it.
 */
enum entrance_verdict entrance_recipient(enum entrance, const struct conf *,
    const struct ip *client, struct envelope_path *) MUST_CHECK;

#endif
