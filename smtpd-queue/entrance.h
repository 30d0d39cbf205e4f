/* SPDX-License-Identifier: ISC */
/* The entrances: what each believes, whom it admits, where mail may go. */
#ifndef ENTRANCE_H
#define ENTRANCE_H

#include "ip.h"
#include "conf.h"
#include "conversation.h"

enum entrance {
	ENTRANCE_IN,    /* strangers, through smtpd-session */
	ENTRANCE_RELAY, /* clients in relay_clients, which show their socket */
	ENTRANCE_USER,  /* local users: the kernel says who */
	ENTRANCE_AUTH,  /* users with a password: smtpd-auth has said who */
	ENTRANCE_OWN,   /* bounces */
};

bool entrance_parse(const char *name, enum entrance *) MUST_CHECK;

/* The first fact in the file: "entrance=in". */
struct span entrance_fact(enum entrance);

enum entrance_belief {
	ENTRANCE_BELIEVED, /* stored, and told to advisers */
	ENTRANCE_TOLD,     /* only told to advisers */
	ENTRANCE_IGNORED,  /* we know better */
	ENTRANCE_REFUSED,
};

/* What to do with a fact of this name. */
enum entrance_belief entrance_believes(enum entrance,
    struct span fact) MUST_CHECK;

/* Does the client choose the id of its message? Sessions do. */
bool entrance_takes_id(enum entrance) MUST_CHECK;

/* May a client at this address (size 0: unknown) use the entrance at all? */
bool entrance_admits(enum entrance, const struct conf *,
    const struct ip *client) MUST_CHECK;

enum entrance_verdict {
	ENTRANCE_TAKEN,       /* the path has its class now */
	ENTRANCE_DENIED,      /* 550: this client may not send mail there */
	ENTRANCE_OTHER_CLASS, /* 451: we disagree on whether it is local */
};

/*
 * Decides again what the client has decided, since a stranger may control
 * smtpd-session. For our own users and relays only our decision counts.
 */
enum entrance_verdict entrance_recipient(enum entrance, const struct conf *,
    const struct ip *client, struct envelope_path *) MUST_CHECK;

#endif
