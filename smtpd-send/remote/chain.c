/* SPDX-License-Identifier: ISC */
/* The certificates of a server: collected first, then judged as a whole. */
#include <stdlib.h>

#include "chain.h"
#include "der.h"

#define MIN_RSA 256 /* octets: 2048 bits */

static struct chain *
self(const br_x509_class **ctx)
{
	return (struct chain *)(void *)ctx;
}

static void
start_chain(const br_x509_class **ctx, const char *name)
{
	struct chain *c = self(ctx);

	(void)name; /* it was sent as SNI; the demand says what must match */
	c->used = c->n = 0;
	c->error = 0;
	c->verdict = BR_ERR_X509_EMPTY_CHAIN;
}

static void
start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct chain *c = self(ctx);

	c->start = c->used;
	if (c->n == CHAIN_CERTS || length > CHAIN_OCTETS - c->used)
		c->error = BR_ERR_X509_LIMIT_EXCEEDED;
}

static void
append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct chain *c = self(ctx);

	if (c->error != 0)
		return;
	if (n > CHAIN_OCTETS - c->used) {
		c->error = BR_ERR_X509_LIMIT_EXCEEDED;
		return;
	}
	memcpy(c->octets + c->used, p, n);
	c->used += n;
}

static void
end_cert(const br_x509_class **ctx)
{
	struct chain *c = self(ctx);

	if (c->error == 0)
		c->certs[c->n++] = span_of(c->octets + c->start,
		    c->used - c->start);
}

/*
 * br_x509_minimal wants this strict order; servers send doubles, the root, or
 * what has nothing to do with it.
 */
size_t
chain_sort(const struct span *certs, size_t n, struct span *sorted)
{
	struct der_names names[CHAIN_CERTS];
	bool used[CHAIN_CERTS] = { false };
	size_t count = 0, at = 0, i;

	for (i = 0; i < n; i++)
		if (!der_names(certs[i], &names[i]))
			used[i] = true;
	if (n == 0 || used[0])
		return 0;
	while (at < n) {
		sorted[count++] = certs[at];
		used[at] = true;
		for (i = 0; i < n; i++)
			if (!used[i] &&
			    span_eq(names[i].subject, names[at].issuer))
				break;
		at = i;
	}
	return count;
}

static unsigned
check(const struct span *certs, size_t n, const struct anchors *anchors,
    const char *name)
{
	br_x509_minimal_context m;
	const br_x509_class **ctx = &m.vtable;

	br_x509_minimal_init(&m, &br_sha256_vtable, anchors->list, anchors->n);
	br_x509_minimal_set_rsa(&m, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(&m, br_ec_get_default(),
	    br_ecdsa_vrfy_asn1_get_default());
	br_x509_minimal_set_hash(&m, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(&m, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(&m, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_minrsa(&m, MIN_RSA);
	m.vtable->start_chain(ctx, name);
	for (size_t i = 0; i < n; i++) {
		m.vtable->start_cert(ctx, (uint32_t)certs[i].n);
		m.vtable->append(ctx, (const unsigned char *)certs[i].p,
		    certs[i].n);
		m.vtable->end_cert(ctx);
	}
	return m.vtable->end_chain(ctx);
}

/* With any of the names that the demand has. */
static unsigned
check_names(const struct chain *c, const struct span *sorted, size_t n,
    const struct anchors *anchors)
{
	struct span rest = c->demand->names, word;
	unsigned verdict = BR_ERR_X509_BAD_SERVER_NAME;

	while (verdict == BR_ERR_X509_BAD_SERVER_NAME &&
	    (word = span_word(&rest)).n > 0) {
		char name[256];

		if (word.n >= sizeof(name))
			continue;
		for (size_t i = 0; i < word.n; i++)
			name[i] = ascii_lower(word.p[i]);
		name[word.n] = '\0';
		verdict = check(sorted, n, anchors, name);
	}
	return verdict;
}

/* Against the bundle: of it only who issued one of these is of interest. */
static unsigned
verify(const struct chain *c)
{
	static struct anchors anchors;
	struct span sorted[CHAIN_CERTS], issuers[CHAIN_CERTS];
	size_t n = chain_sort(c->certs, c->n, sorted);
	struct der_names names;
	unsigned verdict;

	if (n == 0)
		return BR_ERR_X509_UNEXPECTED;
	for (size_t i = 0; i < n; i++)
		if (der_names(sorted[i], &names))
			issuers[i] = names.issuer;
	anchors_find(&anchors, c->demand->bundle, issuers, n);
	verdict = check_names(c, sorted, n, &anchors);
	anchors_free(&anchors);
	return verdict;
}

static unsigned
end_chain(const br_x509_class **ctx)
{
	struct chain *c = self(ctx);

	if (c->error != 0)
		return c->error;
	if (c->n == 0)
		return BR_ERR_X509_EMPTY_CHAIN;
	br_x509_decoder_init(&c->leaf, NULL, NULL);
	br_x509_decoder_push(&c->leaf, c->certs[0].p, c->certs[0].n);
	if (br_x509_decoder_get_pkey(&c->leaf) == NULL)
		return (unsigned)br_x509_decoder_last_error(&c->leaf);
	c->verdict = verify(c);
	return c->demand->verified ? c->verdict : 0;
}

static const br_x509_pkey *
get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
	const struct chain *c = (const void *)ctx;

	if (usages != NULL)
		*usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
	return br_x509_decoder_get_pkey((br_x509_decoder_context *)(uintptr_t)&c
					    ->leaf);
}

void
chain_init(struct chain *c, const struct tls_demand *demand)
{
	static const br_x509_class class = {
		sizeof(struct chain),
		start_chain,
		start_cert,
		append,
		end_cert,
		end_chain,
		get_pkey,
	};

	c->vtable = &class;
	c->demand = demand;
	c->verdict = BR_ERR_X509_EMPTY_CHAIN;
}
