/* SPDX-License-Identifier: ISC */
/* Reads PEM files into what BearSSL wants, and says what is wrong of them. */
#include <stdlib.h>

#include "files.h"
#include "identity.h"

static void
append(void *b, const void *p, size_t n)
{
	sbuf_add(b, p, n);
}

/* A place in a PEM file. */
struct pem {
	br_pem_decoder_context decoder;
	struct span rest;
	struct sbuf der; /* of the object that was read */
};

static void
pem_begin(struct pem *p, const struct file *f)
{
	br_pem_decoder_init(&p->decoder);
	p->rest = span_of(f->text, f->n);
	sbuf_init(&p->der, FILES_MAX);
}

/* Private keys go through it. */
static void
pem_end(struct pem *p)
{
	if (p->der.cap > 0)
		explicit_bzero(p->der.s, p->der.cap);
	sbuf_free(&p->der);
	explicit_bzero(p, sizeof(*p));
}

enum pem_event { PEM_OBJECT, PEM_END, PEM_BROKEN };

/* The next object: its name is in the decoder, its octets are in der. */
static enum pem_event
pem_next(struct pem *p)
{
	while (p->rest.n > 0) {
		size_t used = br_pem_decoder_push(&p->decoder, p->rest.p,
		    p->rest.n);

		p->rest = span_skip(p->rest, used);
		switch (br_pem_decoder_event(&p->decoder)) {
		case BR_PEM_BEGIN_OBJ:
			sbuf_reset(&p->der);
			br_pem_decoder_setdest(&p->decoder, append, &p->der);
			break;
		case BR_PEM_END_OBJ:
			return p->der.bad ? PEM_BROKEN : PEM_OBJECT;
		case BR_PEM_ERROR:
			return PEM_BROKEN;
		default:
			break;
		}
	}
	return PEM_END;
}

static bool
is_named(const struct pem *p, const char *name)
{
	return strcmp(p->decoder.name, name) == 0;
}

static bool
keep_certificate(struct identity *id, const struct sbuf *der, struct sbuf *why)
{
	br_x509_certificate *c = &id->chain[id->nchain];

	if (id->nchain == nitems(id->chain)) {
		sbuf_addf(why, "more than %d certificates", IDENTITY_CHAIN_MAX);
		return false;
	}
	c->data = malloc(der->len);
	if (c->data == NULL) {
		sbuf_adds(why, "no memory");
		return false;
	}
	memcpy(c->data, der->s, der->len);
	c->data_len = der->len;
	id->nchain++;
	return true;
}

static bool
read_chain(struct identity *id, const struct file *f, struct sbuf *why)
{
	enum pem_event e;
	struct pem p;
	bool good = true;

	pem_begin(&p, f);
	while (good && (e = pem_next(&p)) != PEM_END)
		if (e == PEM_BROKEN) {
			sbuf_adds(why, "broken PEM");
			good = false;
		} else if (is_named(&p, "CERTIFICATE") ||
		    is_named(&p, "X509 CERTIFICATE")) {
			good = keep_certificate(id, &p.der, why);
		}
	pem_end(&p);
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
read_key(struct identity *id, const struct file *f, struct sbuf *why)
{
	bool found = false, encrypted = false;
	enum pem_event e;
	struct pem p;

	pem_begin(&p, f);
	while (!found && (e = pem_next(&p)) == PEM_OBJECT) {
		encrypted = is_named(&p, "ENCRYPTED PRIVATE KEY");
		found = is_named(&p, "PRIVATE KEY") ||
		    is_named(&p, "RSA PRIVATE KEY") ||
		    is_named(&p, "EC PRIVATE KEY");
		if (found) {
			br_skey_decoder_init(&id->key);
			br_skey_decoder_push(&id->key, p.der.s, p.der.len);
		}
		if (encrypted)
			break;
	}
	pem_end(&p);
	/* The older way is a header inside, which is no base64. */
	if (encrypted || memmem(f->text, f->n, "4,ENCRYPTED", 11) != NULL)
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
