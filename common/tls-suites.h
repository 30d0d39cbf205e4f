/* SPDX-License-Identifier: ISC */
/* The TLS suites that we speak, as a server and as a client. */
#ifndef TLS_SUITES_H
#define TLS_SUITES_H

#include "span.h"

/*
 * TLS 1.2 with ECDHE and AEAD, and nothing else; the best first. AES-GCM comes
 * before ChaCha20-Poly1305 because BearSSL's is ten times as fast. A library's
 * own lists would bring TLS 1.0, CBC and key exchange without forward secrecy.
 */
static const struct tls_suite {
	uint16_t number;  /* IANA's: RFC 5289, RFC 7905 */
	const char *name; /* OpenSSL's */
} tls_suites[] = {
	{ 0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ 0xc02f, "ECDHE-RSA-AES128-GCM-SHA256" },
	{ 0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ 0xc030, "ECDHE-RSA-AES256-GCM-SHA384" },
	{ 0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ 0xcca8, "ECDHE-RSA-CHACHA20-POLY1305" },
};

/* "unknown" for any other. */
static inline const char *
tls_suite_name(unsigned number)
{
	for (size_t i = 0; i < nitems(tls_suites); i++)
		if (tls_suites[i].number == number)
			return tls_suites[i].name;
	return "unknown";
}

#endif
