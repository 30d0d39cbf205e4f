/* SPDX-License-Identifier: ISC */
/* Certification authorities: of a whole bundle, those that a chain names. */
#ifndef ANCHORS_H
#define ANCHORS_H

#include <bearssl.h>

#include "sbuf.h"

#define ANCHORS_MAX 8
#define ANCHORS_FILE_MAX (8 * 1024 * 1024)
#define ANCHORS_CERT_MAX 16384 /* octets of one as DER */

struct anchors {
	br_x509_trust_anchor list[ANCHORS_MAX];
	size_t n;
	br_x509_decoder_context decoders[ANCHORS_MAX]; /* hold the keys */
	struct sbuf names[ANCHORS_MAX];                /* and the names */
};

/*
 * Walks the PEM objects of a file of certificates and keeps those whose
 * subject is one of the names. What is no certificate is passed over. A bundle
 * has some 140 of them: decoding all takes a hundred times as long.
 */
void anchors_find(struct anchors *, struct span pem, const struct span *names,
    size_t nnames);
void anchors_free(struct anchors *);

/*
 * Takes the next object between BEGIN CERTIFICATE and END CERTIFICATE off
 * *pem: *der is a view into out. False: there is none any more. An object that
 * is no base64, or too long, is empty.
 */
bool anchors_next(struct span *pem, char out[ANCHORS_CERT_MAX],
    struct span *der);

#endif
