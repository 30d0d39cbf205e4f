/* SPDX-License-Identifier: ISC */
/* What BearSSL does not tell of a certificate: its names and its days. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "span.h"

/* Views into the certificate. */
struct certificate {
	struct span names; /* subjectAltName; empty: there is none */
	int64_t not_before, not_after; /* seconds since 1970 */
};

/*
 * Looks into one DER certificate, bounded by its octets: whatever they are,
 * nothing beyond them is read. False when it is none.
 */
bool certificate_parse(struct span der, struct certificate *) MUST_CHECK;

/* The two names at its front, whole with their headers; views. */
struct certificate_names {
	struct span issuer, subject;
};

/*
 * The same walk as far as those alone: false when it does not have the form
 * of a certificate (RFC 5280 4.1) so far. Nothing else of it is checked.
 */
bool certificate_names(struct span der, struct certificate_names *) MUST_CHECK;

/* Takes the next dNSName off *names (a copy); false at the end. */
bool certificate_next_name(struct span *names, struct span *name);

/*
 * Is this a certificate of the host (without a dot at the end)? The case
 * does not matter, and "*" stands for one whole label, the first (RFC 6125).
 */
bool certificate_is_of(const struct certificate *, struct span host);

#endif
