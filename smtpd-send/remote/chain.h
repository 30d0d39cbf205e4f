/* SPDX-License-Identifier: ISC */
/* The certificates of a server: collected first, then judged as a whole. */
#ifndef CHAIN_H
#define CHAIN_H

#include <bearssl.h>

#include "sbuf.h"
#include "tls.h"

#define CHAIN_CERTS 10
#define CHAIN_OCTETS 65536
#define ANCHORS_MAX 8
#define ANCHORS_FILE_MAX (8 * 1024 * 1024)
#define ANCHORS_CERT_MAX 16384 /* octets of one as DER */

/* An X.509 engine for BearSSL, which owns all of this during a handshake. */
struct chain {
	const br_x509_class *vtable;
	const struct tls_demand *demand;
	char octets[CHAIN_OCTETS];
	size_t used, start;
	struct span certs[CHAIN_CERTS];
	size_t n;
	unsigned error;   /* BR_ERR_...; of the collecting */
	unsigned verdict; /* 0: verified, or BR_ERR_... */
	br_x509_decoder_context leaf;
};

void chain_init(struct chain *, const struct tls_demand *);

/* Sorts: the server's certificate, its issuer's, and so on. */
size_t chain_sort(const struct span *certs, size_t n, struct span *sorted);

/* --- its parts, for the fuzz target -------------------------------------- */

struct anchors {
	br_x509_trust_anchor list[ANCHORS_MAX];
	size_t n;
	br_x509_decoder_context decoders[ANCHORS_MAX]; /* hold the keys */
	struct sbuf names[ANCHORS_MAX];                /* and the names */
};

/*
 * Walks the PEM objects of a file of certificates and keeps those whose subject
 * is one of the names. It skips objects that are not certificates. A bundle has
 * some 140: decoding all of them takes a hundred times as long.
 */
void anchors_find(struct anchors *, struct span pem, const struct span *names,
    size_t nnames);
void anchors_free(struct anchors *);

/*
 * Takes the next object between BEGIN CERTIFICATE and END CERTIFICATE off *pem;
 * *der is a view into out. False: there are no more. An object that is not
 * base64, or is too long, is empty.
 */
bool anchors_next(struct span *pem, char out[ANCHORS_CERT_MAX],
    struct span *der);

#endif
