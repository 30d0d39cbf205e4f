/* SPDX-License-Identifier: ISC */
/* What BearSSL does not tell of a certificate: its names and its days. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "span.h"

/* Views into the certificate. */
struct certificate {
	struct span names;             /* subjectAltName; empty: not there */
	int64_t not_before, not_after; /* seconds since 1970 */
};

/*
 * Parses one DER certificate. Whatever its octets are, nothing beyond them is
 * read. False: it is not a certificate.
 */
bool certificate_parse(struct span der, struct certificate *) MUST_CHECK;

/* The two names at its front, whole with their headers; views. */
struct certificate_names {
	struct span issuer, subject;
};

/*
 * The same walk up to these names. False: it does not have the form of a
 * certificate (RFC 5280 4.1) so far. Nothing else is checked.
 */
bool certificate_names(struct span der, struct certificate_names *) MUST_CHECK;

/* Takes the next dNSName off *names (a copy); false at the end. */
bool certificate_next_name(struct span *names, struct span *name);

/*
 * Is this a certificate of the host (without a dot at the end)? Case does not
 * matter, and "*" replaces one whole label, the first (RFC 6125).
 */
bool certificate_is_of(const struct certificate *, struct span host);

#endif
