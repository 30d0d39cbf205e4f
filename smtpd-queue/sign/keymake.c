/* SPDX-License-Identifier: ISC */
/* Makes DKIM keys. */
#include "keymake.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static EVP_PKEY *
generate(enum key_algorithm a, unsigned bits)
{
	switch (a) {
	case KEY_RSA:
		return EVP_RSA_gen(bits);
	case KEY_ED25519:
		break;
	}
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static bool
write_pem(struct sbuf *pem, const EVP_PKEY *pkey)
{
	/* Its memory is wiped when it is freed. */
	BIO *bio = BIO_new(BIO_s_secmem());
	bool good = false;
	char *p;
	long n;

	if (bio == NULL)
		return false;
	if (PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
		NULL) == 1) {
		n = BIO_get_mem_data(bio, &p);
		sbuf_add(pem, p, n > 0 ? (size_t)n : 0);
		good = n > 0 && !pem->bad;
	}
	BIO_free(bio);
	return good;
}

bool
keymake(struct key *k, enum key_algorithm a, unsigned bits)
{
	EVP_PKEY *pkey;
	bool good;

	*k = (struct key){ .algorithm = a };
	sbuf_init(&k->pem, KEY_FILE_MAX);
	key_start_crypto();
	pkey = generate(a, bits);
	if (pkey == NULL)
		return false;
	k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
	good = write_pem(&k->pem, pkey);
	EVP_PKEY_free(pkey);
	return good;
}
