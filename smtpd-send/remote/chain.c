/* SPDX-License-Identifier: ISC */
/* The certificates of a server: collected first, then judged as a whole. */
#include "certificate.h"
#include "chain.h"

/* --- of a bundle of authorities, those that a chain names ---------------- */

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

#define SKIP 64 /* line ends */
#define STOP 65 /* padding */
#define BAD 66

/* The value of each octet. Each connection decodes 200 KB of text. */
static const unsigned char *
pem_values(void)
{
	static unsigned char table[256];
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (table[0] == BAD)
		return table;
	memset(table, BAD, sizeof(table));
	for (unsigned char i = 0; i < sizeof(digits) - 1; i++)
		table[(unsigned char)digits[i]] = i;
	table['\n'] = table['\r'] = table[' '] = table['\t'] = SKIP;
	table['='] = STOP;
	return table;
}

/*
 * Base64 with line ends in it, checked loosely: a wrong certificate is found
 * later. Returns the number of octets, or 0.
 */
static size_t
pem_decode(struct span text, char out[ANCHORS_CERT_MAX])
{
	const unsigned char *table = pem_values();
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned v = table[(unsigned char)text.p[i]];

		if (v == SKIP)
			continue;
		if (v == STOP)
			break;
		if (v == BAD || n == ANCHORS_CERT_MAX)
			return 0;
		bits = bits << 6 | v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return n;
}

/* The words at the beginning of a line, or NULL. */
static const char *
pem_find_line(struct span in, const char *words)
{
	size_t n = strlen(words);
	const char *at;

	while (in.n >= n && (at = memmem(in.p, in.n, words, n)) != NULL) {
		if (at == in.p || at[-1] == '\n')
			return at;
		in = span_skip(in, (size_t)(at - in.p) + 1);
	}
	return NULL;
}

bool
anchors_next(struct span *pem, char out[ANCHORS_CERT_MAX], struct span *der)
{
	const char *begin = pem_find_line(*pem, BEGIN), *end;
	struct span body;

	if (begin == NULL)
		return false;
	body = span_skip(*pem, (size_t)(begin - pem->p) + strlen(BEGIN));
	end = pem_find_line(body, END);
	if (end == NULL)
		return false;
	*pem = span_skip(body, (size_t)(end - body.p) + strlen(END));
	body.n = (size_t)(end - body.p);
	*der = span_of(out, pem_decode(body, out));
	return true;
}

static bool
anchors_wants(struct span subject, const struct span *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(subject, names[i]))
			return true;
	return false;
}

static void
anchors_add_name(void *name, const void *octets, size_t n)
{
	sbuf_add(name, octets, n);
}

static void
anchors_keep(struct anchors *a, struct span der)
{
	br_x509_decoder_context *d = &a->decoders[a->n];
	struct sbuf *name = &a->names[a->n];
	const br_x509_pkey *key;

	sbuf_init(name, ANCHORS_CERT_MAX);
	br_x509_decoder_init(d, anchors_add_name, name);
	br_x509_decoder_push(d, der.p, der.n);
	key = br_x509_decoder_get_pkey(d);
	if (key == NULL || name->bad) {
		sbuf_free(name);
		return;
	}
	a->list[a->n] = (br_x509_trust_anchor){
		.dn = { (unsigned char *)name->s, name->len },
		.flags = br_x509_decoder_isCA(d) ? BR_X509_TA_CA : 0,
		.pkey = *key,
	};
	a->n++;
}

void
anchors_find(struct anchors *a, struct span pem, const struct span *names,
    size_t nnames)
{
	char out[ANCHORS_CERT_MAX];
	struct certificate_names found;
	struct span der;

	a->n = 0;
	while (a->n < ANCHORS_MAX && anchors_next(&pem, out, &der))
		if (certificate_names(der, &found) &&
		    anchors_wants(found.subject, names, nnames))
			anchors_keep(a, der);
}

void
anchors_free(struct anchors *a)
{
	for (size_t i = 0; i < a->n; i++)
		sbuf_free(&a->names[i]);
	a->n = 0;
}

/* --- the chain ----------------------------------------------------------- */

#define MIN_RSA 256 /* octets: 2048 bits */

static struct chain *
x509_self(const br_x509_class **ctx)
{
	return (struct chain *)(void *)ctx;
}

static void
x509_start_chain(const br_x509_class **ctx, const char *name)
{
	struct chain *c = x509_self(ctx);

	(void)name; /* the SNI; the demand has the names that must match */
	c->used = c->n = 0;
	c->error = 0;
	c->verdict = BR_ERR_X509_EMPTY_CHAIN;
}

static void
x509_start_cert(const br_x509_class **ctx, uint32_t length)
{
	struct chain *c = x509_self(ctx);

	c->start = c->used;
	if (c->n == CHAIN_CERTS || length > CHAIN_OCTETS - c->used)
		c->error = BR_ERR_X509_LIMIT_EXCEEDED;
}

static void
x509_append(const br_x509_class **ctx, const unsigned char *p, size_t n)
{
	struct chain *c = x509_self(ctx);

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
x509_end_cert(const br_x509_class **ctx)
{
	struct chain *c = x509_self(ctx);

	if (c->error == 0)
		c->certs[c->n++] = span_of(c->octets + c->start,
		    c->used - c->start);
}

/*
 * br_x509_minimal needs this strict order; servers also send duplicates, the
 * root, or unrelated certificates.
 */
size_t
chain_sort(const struct span *certs, size_t n, struct span *sorted)
{
	struct certificate_names names[CHAIN_CERTS];
	bool used[CHAIN_CERTS] = { false };
	size_t count = 0, at = 0, i;

	for (i = 0; i < n; i++)
		if (!certificate_names(certs[i], &names[i]))
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
chain_check(const struct span *certs, size_t n, const struct anchors *anchors,
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

/* Any of the names in the demand will do. */
static unsigned
chain_check_names(const struct chain *c, const struct span *sorted, size_t n,
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
		verdict = chain_check(sorted, n, anchors, name);
	}
	return verdict;
}

/* Against the authorities in the bundle that issued one of these. */
static unsigned
chain_verify(const struct chain *c)
{
	static struct anchors anchors;
	struct span sorted[CHAIN_CERTS], issuers[CHAIN_CERTS];
	size_t n = chain_sort(c->certs, c->n, sorted);
	struct certificate_names names;
	unsigned verdict;

	if (n == 0)
		return BR_ERR_X509_UNEXPECTED;
	for (size_t i = 0; i < n; i++)
		if (certificate_names(sorted[i], &names))
			issuers[i] = names.issuer;
	anchors_find(&anchors, c->demand->bundle, issuers, n);
	verdict = chain_check_names(c, sorted, n, &anchors);
	anchors_free(&anchors);
	return verdict;
}

static unsigned
x509_end_chain(const br_x509_class **ctx)
{
	struct chain *c = x509_self(ctx);

	if (c->error != 0)
		return c->error;
	if (c->n == 0)
		return BR_ERR_X509_EMPTY_CHAIN;
	br_x509_decoder_init(&c->leaf, NULL, NULL);
	br_x509_decoder_push(&c->leaf, c->certs[0].p, c->certs[0].n);
	if (br_x509_decoder_get_pkey(&c->leaf) == NULL)
		return (unsigned)br_x509_decoder_last_error(&c->leaf);
	c->verdict = chain_verify(c);
	return c->demand->verified ? c->verdict : 0;
}

static const br_x509_pkey *
x509_get_pkey(const br_x509_class *const *ctx, unsigned *usages)
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
		x509_start_chain,
		x509_start_cert,
		x509_append,
		x509_end_cert,
		x509_end_chain,
		x509_get_pkey,
	};

	c->vtable = &class;
	c->demand = demand;
	c->verdict = BR_ERR_X509_EMPTY_CHAIN;
}
