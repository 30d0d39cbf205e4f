/* SPDX-License-Identifier: ISC */
/* What smtpd-sign does with each frame of a message on its way down. */
#ifndef SIGNING_H
#define SIGNING_H

#include "filter.h"
#include "header.h"
#include "keys.h"
#include "signer.h"

#define SIGNING_HEADER_MAX (2 * 1024 * 1024) /* octets held, to look first */
#define SIGNING_FIELDS_MAX 200 /* signed; RFC 5322 3.6 has one of each */

enum signing_stage {
	SIGNING_HEADER, /* a copy of each field is held */
	SIGNING_BODY,   /* what comes is hashed, if there are signers */
};

struct signing {
	struct filter *filter;
	bool enabled; /* there are keys to be asked for */
	enum signing_stage stage;
	struct header header; /* of the message's octets */
	struct sbuf held;     /* the octets that were pushed into it */
	struct sbuf tops;     /* payloads of H, in the order they came */
	struct sbuf sizes;    /* of each of them: a size_t */
	struct keys keys;
	struct signer signers[KEYS_MAX];
	size_t nsigners;
};

void signing_init(struct signing *, struct filter *);

/* A filter_take. */
enum io signing_take(void *, const struct frame *, instant deadline) MUST_CHECK;

#endif
