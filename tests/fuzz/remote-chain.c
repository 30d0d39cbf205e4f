/* SPDX-License-Identifier: ISC */
/*
 * The certificates of a server, from the walk over each to the judgement of
 * the whole. The input is certificates, each behind two octets of length, and
 * behind a length of zero the file of authorities.
 */
#include <stdlib.h>

#include "../../common/certificate.h"
#include "../../smtpd-send/remote/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
take(struct span *in, struct span *cert)
{
	size_t n;

	if (in->n < 2)
		return false;
	n = (size_t)(unsigned char)in->p[0] << 8 | (unsigned char)in->p[1];
	*in = span_skip(*in, 2);
	*cert = span_of(in->p, n < in->n ? n : in->n);
	*in = span_skip(*in, cert->n);
	return n > 0;
}

static bool
is_within(struct span part, struct span whole)
{
	return part.n > 0 && part.p >= whole.p && part.n <= whole.n &&
	    (size_t)(part.p - whole.p) <= whole.n - part.n;
}

static void
check_names(struct span cert)
{
	struct certificate_names names;

	if (certificate_names(cert, &names))
		must(is_within(names.issuer, cert) &&
		    is_within(names.subject, cert) &&
		    names.subject.p >= names.issuer.p + names.issuer.n);
}

static void
check_bundle(struct span pem)
{
	static char out[ANCHORS_CERT_MAX];
	struct span der;

	while (anchors_next(&pem, out, &der)) {
		must(der.n <= sizeof(out));
		check_names(der);
	}
}

/* As the library does it, an octet more in each piece. */
static void
present(const br_x509_class **ctx, struct span cert)
{
	(*ctx)->start_cert(ctx, (uint32_t)cert.n);
	for (size_t n = 1; cert.n > 0; n++) {
		size_t piece = n < cert.n ? n : cert.n;

		(*ctx)->append(ctx, (const unsigned char *)cert.p, piece);
		cert = span_skip(cert, piece);
	}
	(*ctx)->end_cert(ctx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chain c;
	struct span in = { (const char *)data, size }, rest = in, cert;
	struct tls_demand demand = { .verified = true,
		.names = SPAN("other.test mx.ok.test") };
	struct span sorted[CHAIN_CERTS];
	const br_x509_class **ctx = &c.vtable;

	while (take(&rest, &cert))
		check_names(cert);
	check_bundle(rest);
	demand.bundle = rest;
	chain_init(&c, &demand);
	(*ctx)->start_chain(ctx, NULL);
	while (take(&in, &cert))
		present(ctx, cert);
	if ((*ctx)->end_chain(ctx) == 0)
		must((*ctx)->get_pkey(ctx, NULL) != NULL && c.verdict == 0);
	must(c.n <= CHAIN_CERTS && c.used <= CHAIN_OCTETS);
	must(chain_sort(c.certs, c.n, sorted) <= c.n);
	return 0;
}
