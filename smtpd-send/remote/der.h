/* SPDX-License-Identifier: ISC */
/* The two names in a certificate, found by a walk over its DER (X.690). */
#ifndef DER_H
#define DER_H

#include "span.h"

struct der_names {
	struct span issuer, subject; /* whole, header and all; views */
};

/*
 * False: not of the form of a certificate (RFC 5280 4.1), as far as the walk
 * comes. Nothing else of it is checked.
 */
bool der_names(struct span certificate, struct der_names *) MUST_CHECK;

#endif
