/* SPDX-License-Identifier: ISC */
/* Reads PEM files into what BearSSL wants, and says what is wrong of them. */
#include <stdlib.h>

#include "files.h"
#include "identity.h"
#include "pem.h"

static bool
keep_certificate(struct identity *id, struct span der, struct sbuf *why)
{
	br_x509_certificate *c = &id->chain[id->nchain];

	if (id->nchain == nitems(id->chain)) {
		sbuf_addf(why, "more than %d certificates", IDENTITY_CHAIN_MAX);
		return false;
	}
	c->data = malloc(der.n > 0 ? der.n : 1);
	if (c->data == NULL) {
		sbuf_adds(why, "no memory");
		return false;
	}
	memcpy(c->data, der.p, der.n);
	c->data_len = der.n;
	id->nchain++;
	return true;
}

static bool
read_chain(struct identity *id, struct file *f, struct sbuf *why)
{
	struct span name, der;
	enum pem_event e;
	struct pem p;
	bool good = true;

	pem_begin(&p, f->text, f->n);
	while (good && (e = pem_next(&p, &name, &der)) != PEM_END)
		if (e == PEM_BROKEN) {
			sbuf_adds(why, "broken PEM");
			good = false;
		} else if (span_eq(name, SPAN("CERTIFICATE")) ||
		    span_eq(name, SPAN("X509 CERTIFICATE"))) {
			good = keep_certificate(id, der, why);
		}
	if (good && id->nchain == 0) {
		sbuf_adds(why, "no certificate in it");
		good = false;
	}
	if (good &&
	    !certificate_parse(span_of(id->chain[0].data,
				   id->chain[0].data_len),
		&id->leaf)) {
		sbuf_adds(why, "its first certificate is broken");
		good = false;
	}
	return good;
}

static bool
is_usable(const struct identity *id, struct sbuf *why)
{
	const br_rsa_private_key *rsa = br_skey_decoder_get_rsa(&id->key);

	if (br_skey_decoder_last_error(&id->key) != 0)
		sbuf_adds(why, "neither RSA nor a NIST curve's key, or broken");
	else if (rsa != NULL && rsa->n_bitlen > IDENTITY_RSA_MAX)
		sbuf_addf(why, "an RSA key of more than %d bits",
		    IDENTITY_RSA_MAX);
	else
		return true;
	return false;
}

static bool
read_key(struct identity *id, struct file *f, struct sbuf *why)
{
	bool found = false, encrypted;
	struct span name, der;
	enum pem_event e;
	struct pem p;

	/* The older way is a header inside, which is no base64. */
	encrypted = memmem(f->text, f->n, "4,ENCRYPTED", 11) != NULL;
	pem_begin(&p, f->text, f->n);
	while (!found && (e = pem_next(&p, &name, &der)) == PEM_OBJECT) {
		encrypted = span_eq(name, SPAN("ENCRYPTED PRIVATE KEY"));
		found = span_eq(name, SPAN("PRIVATE KEY")) ||
		    span_eq(name, SPAN("RSA PRIVATE KEY")) ||
		    span_eq(name, SPAN("EC PRIVATE KEY"));
		if (found) {
			br_skey_decoder_init(&id->key);
			br_skey_decoder_push(&id->key, der.p, der.n);
		}
		if (encrypted)
			break;
	}
	if (encrypted)
		sbuf_adds(why,
		    "is encrypted: there is nobody here to ask "
		    "for its passphrase");
	else if (!found)
		sbuf_adds(why,
		    e == PEM_BROKEN ? "broken PEM" : "no private key in it");
	else
		return is_usable(id, why);
	return false;
}

static bool
same_ec(const br_ec_private_key *sk, const br_x509_pkey *pk)
{
	unsigned char q[BR_EC_KBUF_PUB_MAX_SIZE];
	br_ec_public_key pub;

	return pk->key_type == BR_KEYTYPE_EC &&
	    br_ec_compute_pub(br_ec_get_default(), &pub, q, sk) != 0 &&
	    pub.curve == pk->key.ec.curve &&
	    span_eq(span_of(pub.q, pub.qlen),
		span_of(pk->key.ec.q, pk->key.ec.qlen));
}

static struct span
without_zeros(const void *p, size_t n)
{
	struct span s = span_of(p, n);

	while (s.n > 0 && s.p[0] == '\0')
		s = span_skip(s, 1);
	return s;
}

static bool
same_rsa(const br_rsa_private_key *sk, const br_x509_pkey *pk)
{
	unsigned char n[IDENTITY_RSA_MAX / 8];
	size_t size = br_rsa_compute_modulus_get_default()(NULL, sk);

	return pk->key_type == BR_KEYTYPE_RSA && size > 0 &&
	    size <= sizeof(n) &&
	    br_rsa_compute_modulus_get_default()(n, sk) == size &&
	    span_eq(without_zeros(n, size),
		without_zeros(pk->key.rsa.n, pk->key.rsa.nlen));
}

/* Does the key belong to the certificate? */
static bool
is_pair(const struct identity *id, struct sbuf *why)
{
	br_x509_decoder_context x;
	const br_x509_pkey *pk;
	bool same;

	br_x509_decoder_init(&x, NULL, NULL);
	br_x509_decoder_push(&x, id->chain[0].data, id->chain[0].data_len);
	pk = br_x509_decoder_get_pkey(&x);
	if (pk == NULL)
		same = false;
	else if (identity_is_ec(id))
		same = same_ec(br_skey_decoder_get_ec(&id->key), pk);
	else
		same = same_rsa(br_skey_decoder_get_rsa(&id->key), pk);
	if (!same)
		sbuf_addf(why, "is not the key of '%.*s'", (int)id->path.n,
		    id->path.p);
	return same;
}

static void
name_file(struct sbuf *why, const char *what, struct span path)
{
	sbuf_addf(why, "%s '%.*s': ", what, (int)path.n, path.p);
}

bool
identity_load(struct identity *id, struct span cert_path, struct span key_path,
    bool thorough, struct sbuf *why)
{
	struct file f;
	bool good;

	*id = (struct identity){ .path = cert_path };
	name_file(why, "certificate", cert_path);
	if (!file_read(cert_path, false, &f, why))
		return false;
	good = read_chain(id, &f, why);
	file_wipe(&f);
	if (!good)
		return false;
	sbuf_reset(why);
	name_file(why, "key", key_path);
	if (!file_read(key_path, true, &f, why))
		return false;
	good = read_key(id, &f, why);
	file_wipe(&f);
	if (!good || (thorough && !is_pair(id, why)))
		return false;
	sbuf_reset(why);
	return true;
}

void
identity_free(struct identity *id)
{
	for (size_t i = 0; i < id->nchain; i++)
		free(id->chain[i].data);
	explicit_bzero(id, sizeof(*id));
}

bool
identity_is_ec(const struct identity *id)
{
	return br_skey_decoder_key_type(&id->key) == BR_KEYTYPE_EC;
}
