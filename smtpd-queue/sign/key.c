/* SPDX-License-Identifier: ISC */
/* One private DKIM key: whether it may be used, and what it is. */
#include "key.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "bufio.h"

void
key_start_crypto(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		OPENSSL_INIT_NO_ATEXIT,
	    NULL);
}

const char *
key_type(enum key_algorithm a)
{
	switch (a) {
	case KEY_RSA:
		return "rsa";
	case KEY_ED25519:
		break;
	}
	return "ed25519";
}

static bool
complain(struct sbuf *why, const char *what)
{
	sbuf_adds(why, what);
	return false;
}

static bool
complain_sys(struct sbuf *why, const char *what)
{
	sbuf_addf(why, "%s: %s", what, strerror(errno));
	return false;
}

/* Ours, or root's for us: nobody else can have read or made it. */
static bool
check_file(const struct stat *st, struct sbuf *why)
{
	unsigned mode = st->st_mode & 07777;

	if (!S_ISREG(st->st_mode))
		return complain(why, "is no file");
	if (st->st_uid != geteuid() && st->st_uid != 0 && geteuid() != 0) {
		sbuf_addf(why, "belongs to uid %lu, neither mine nor root",
		    (unsigned long)st->st_uid);
		return false;
	}
	if ((mode & 0037) != 0 ||
	    ((mode & 0040) != 0 && st->st_gid != getegid() && geteuid() != 0)) {
		sbuf_addf(why, "can be used by others (mode %04o): chmod 0400",
		    mode);
		return false;
	}
	if (st->st_size > KEY_FILE_MAX)
		return complain(why, "is too large for a key");
	return true;
}

static bool
read_file(struct key *k, int fd, struct sbuf *why)
{
	char buf[1024];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain_sys(why, "cannot be read");
		sbuf_add(&k->pem, buf, (size_t)n);
	}
	explicit_bzero(buf, sizeof(buf));
	if (k->pem.bad)
		return complain(why, "does not fit into memory");
	return true;
}

/* For a key that wants a password: there is none. */
static int
no_password(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *
parse(const struct key *k, bool *asked)
{
	BIO *bio = BIO_new_mem_buf(k->pem.s, (int)k->pem.len);
	EVP_PKEY *pkey;

	if (bio == NULL)
		return NULL;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, asked);
	BIO_free(bio);
	return pkey;
}

static bool
examine(struct key *k, const EVP_PKEY *pkey, struct sbuf *why)
{
	k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		k->algorithm = KEY_RSA;
		if (k->bits >= KEY_BITS_MIN)
			return true;
		sbuf_addf(why, "has %u bits, and must have %d or more", k->bits,
		    KEY_BITS_MIN);
		return false;
	case EVP_PKEY_ED25519:
		k->algorithm = KEY_ED25519;
		return true;
	default:
		return complain(why, "is a key neither of RSA nor of Ed25519");
	}
}

static bool
parse_and_examine(struct key *k, struct sbuf *why)
{
	bool asked = false, good;
	EVP_PKEY *pkey;

	key_start_crypto();
	pkey = parse(k, &asked);
	if (asked)
		good = complain(why, "is encrypted: it must not be");
	else if (pkey == NULL)
		good = complain(why, "holds no private key in PEM");
	else
		good = examine(k, pkey, why);
	EVP_PKEY_free(pkey);
	return good;
}

/* Was it found good before? */
static bool
recall(const struct key_memory *m, struct key *k)
{
	for (size_t i = 0; m != NULL && i < KEY_KNOWN_MAX; i++) {
		const struct key *known = &m->known[i];

		if (known->bits == 0 ||
		    !span_eq(sbuf_span(&known->pem), sbuf_span(&k->pem)))
			continue;
		k->algorithm = known->algorithm;
		k->bits = known->bits;
		return true;
	}
	return false;
}

static void
remember(struct key_memory *m, const struct key *k)
{
	struct key *place;

	if (m == NULL)
		return;
	place = &m->known[m->next];
	m->next = (m->next + 1) % KEY_KNOWN_MAX;
	if (place->bits != 0)
		key_free(place);
	sbuf_init(&place->pem, KEY_FILE_MAX);
	sbuf_addspan(&place->pem, sbuf_span(&k->pem));
	place->algorithm = k->algorithm;
	place->bits = place->pem.bad ? 0 : k->bits;
}

bool
key_load(struct key *k, int dir, const char *path, struct key_memory *m,
    struct sbuf *why)
{
	/* A FIFO that somebody left there must not hold us. */
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool good;

	sbuf_init(&k->pem, KEY_FILE_MAX);
	if (fd == -1)
		return complain_sys(why, "cannot be opened");
	if (fstat(fd, &st) == -1)
		good = complain_sys(why, "cannot be looked at");
	else
		good = check_file(&st, why) && read_file(k, fd, why);
	(void)close(fd);
	if (!good || recall(m, k))
		return good;
	good = parse_and_examine(k, why);
	if (good)
		remember(m, k);
	return good;
}

void
key_free(struct key *k)
{
	explicit_bzero(k->pem.s, k->pem.len);
	sbuf_free(&k->pem);
}

static bool
add_base64(struct sbuf *b, const unsigned char *p, size_t n)
{
	unsigned char *text = OPENSSL_malloc(n / 3 * 4 + 8);

	if (text == NULL)
		return false;
	sbuf_add(b, text, (size_t)EVP_EncodeBlock(text, p, (int)n));
	OPENSSL_free(text);
	return !b->bad;
}

bool
key_public(const struct key *k, struct sbuf *b)
{
	bool asked = false, good = false;
	EVP_PKEY *pkey = parse(k, &asked);
	unsigned char raw[64], *der = NULL;
	size_t n = sizeof(raw);
	int len;

	if (pkey == NULL)
		return false;
	if (k->algorithm == KEY_ED25519) {
		good = EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1 &&
		    add_base64(b, raw, n);
	} else {
		len = i2d_PUBKEY(pkey, &der);
		good = len > 0 && add_base64(b, der, (size_t)len);
		OPENSSL_free(der);
	}
	EVP_PKEY_free(pkey);
	return good;
}

bool
key_record(const struct key *k, struct sbuf *b)
{
	sbuf_addf(b, "v=DKIM1; k=%s; p=", key_type(k->algorithm));
	return key_public(k, b) && !b->bad;
}
