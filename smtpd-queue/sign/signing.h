/* SPDX-License-Identifier: ISC */
/* What smtpd-sign makes of each message that it is asked about. */
#ifndef SIGNING_H
#define SIGNING_H

#include "advise.h"
#include "header.h"
#include "keys.h"
#include "queuefile.h"
#include "signer.h"

#define SIGNING_HEADER_MAX (2 * 1024 * 1024) /* octets, in all */
#define SIGNING_FIELDS_MAX 200 /* signed; RFC 5322 3.6 has one of each */

struct signing {
	const struct conf *conf;
	bool enabled;           /* there are keys to be asked for */
	char id[QUEUE_ID_SIZE]; /* empty: not known */
	struct sbuf tops;       /* payloads of H, in the order they came */
	struct sbuf sizes;      /* of each of them: a size_t */
	struct sbuf section;    /* the header section, from the top down */
	struct keys keys;
	struct key_memory known;
	struct signer signers[KEYS_MAX];
	size_t nsigners;
};

void signing_init(struct signing *, const struct conf *);

/*
 * Signs for the domain to no purpose, if there are keys for it: a library's
 * first signature takes longer than all later ones of a process and of those
 * that it forks.
 */
void signing_rehearse(struct signing *, struct span domain);

/* Its context is a struct signing. */
extern const struct adviser signing_adviser;

#endif
