/* SPDX-License-Identifier: ISC */
/* The certificates of a server: collected first, then judged as a whole. */
#ifndef CHAIN_H
#define CHAIN_H

#include "anchors.h"
#include "tls.h"

#define CHAIN_CERTS 10
#define CHAIN_OCTETS 65536

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

/* Puts the certificates in the order issued by issued, the server's first. */
size_t chain_sort(const struct span *certs, size_t n, struct span *sorted);

#endif
