/* SPDX-License-Identifier: ISC */
/* Certificates as files: the objects of a PEM file, and a certificate's DER. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include "span.h"

/* --- the objects of a PEM file (RFC 7468), decoded where they stand ------- */

struct pem {
	char *at, *end;
};

/* text is overwritten, and stays the caller's; lines end in LF. */
void pem_begin(struct pem *, char *text, size_t n);

enum pem_event {
	PEM_OBJECT, /* name is the word of its BEGIN, der what it holds */
	PEM_END,    /* no more objects; one that is cut off does not count */
	PEM_BROKEN, /* the next one is not base64 */
};

/*
 * name and der are views into text. Nothing is copied, so wiping the text
 * wipes the keys. BearSSL's decoder takes 0.15 ms for 1 KiB: for a chain that
 * is longer than the handshake.
 */
enum pem_event pem_next(struct pem *, struct span *name,
    struct span *der) MUST_CHECK;

/* --- what BearSSL does not tell of a certificate: its names and its days --- */

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
