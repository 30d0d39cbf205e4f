/* SPDX-License-Identifier: ISC */
/* Private DKIM keys: which sign for a domain, and whether they may be used. */
#include "dkim-keys.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "address.h"
#include "bufio.h"
#include "readfile.h"

/* --- one key ----------------------------------------------------------------- */

void
dkim_keys_start_crypto(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		OPENSSL_INIT_NO_ATEXIT,
	    NULL);
}

const char *
dkim_key_type(enum dkim_algorithm a)
{
	switch (a) {
	case DKIM_KEY_RSA:
		return "rsa";
	case DKIM_KEY_ED25519:
		break;
	}
	return "ed25519";
}

static bool
dkim_key_complain(struct sbuf *why, const char *what)
{
	sbuf_adds(why, what);
	return false;
}

/* For an encrypted key: we have no password. */
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
dkim_key_parse(const struct dkim_key *k, bool *asked)
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
dkim_key_examine(struct dkim_key *k, const EVP_PKEY *pkey, struct sbuf *why)
{
	k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		k->algorithm = DKIM_KEY_RSA;
		if (k->bits >= DKIM_KEY_BITS_MIN)
			return true;
		sbuf_addf(why, "%u bits, but at least %d are needed", k->bits,
		    DKIM_KEY_BITS_MIN);
		return false;
	case EVP_PKEY_ED25519:
		k->algorithm = DKIM_KEY_ED25519;
		return true;
	default:
		return dkim_key_complain(why, "not an RSA or Ed25519 key");
	}
}

static bool
parse_and_examine(struct dkim_key *k, struct sbuf *why)
{
	bool asked = false, good;
	EVP_PKEY *pkey;

	dkim_keys_start_crypto();
	pkey = dkim_key_parse(k, &asked);
	if (asked)
		good = dkim_key_complain(why,
		    "encrypted, which is not supported");
	else if (pkey == NULL)
		good = dkim_key_complain(why, "no private key in PEM format");
	else
		good = dkim_key_examine(k, pkey, why);
	EVP_PKEY_free(pkey);
	return good;
}

/* Was it found good before? */
static bool
dkim_key_recall(const struct dkim_key_memory *m, struct dkim_key *k)
{
	for (size_t i = 0; m != NULL && i < DKIM_KEYS_KNOWN; i++) {
		const struct dkim_key *known = &m->known[i];

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
dkim_key_remember(struct dkim_key_memory *m, const struct dkim_key *k)
{
	struct dkim_key *place;

	if (m == NULL)
		return;
	place = &m->known[m->next];
	m->next = (m->next + 1) % DKIM_KEYS_KNOWN;
	if (place->bits != 0)
		dkim_key_free(place);
	sbuf_init(&place->pem, DKIM_KEY_FILE_MAX);
	sbuf_addspan(&place->pem, sbuf_span(&k->pem));
	place->algorithm = k->algorithm;
	place->bits = place->pem.bad ? 0 : k->bits;
}

bool
dkim_key_load(struct dkim_key *k, int dir, const char *path,
    struct dkim_key_memory *m, struct sbuf *why)
{
	bool good;

	sbuf_init(&k->pem, DKIM_KEY_FILE_MAX);
	good = readfile(dir, path, READFILE_SHARED_SECRET, &k->pem, why);
	if (!good || dkim_key_recall(m, k))
		return good;
	good = parse_and_examine(k, why);
	if (good)
		dkim_key_remember(m, k);
	return good;
}

void
dkim_key_free(struct dkim_key *k)
{
	sbuf_wipe(&k->pem);
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
dkim_key_public(const struct dkim_key *k, struct sbuf *b)
{
	bool asked = false, good = false;
	EVP_PKEY *pkey = dkim_key_parse(k, &asked);
	unsigned char raw[64], *der = NULL;
	size_t n = sizeof(raw);
	int len;

	if (pkey == NULL)
		return false;
	if (k->algorithm == DKIM_KEY_ED25519) {
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
dkim_key_record(const struct dkim_key *k, struct sbuf *b)
{
	sbuf_addf(b, "v=DKIM1; k=%s; p=", dkim_key_type(k->algorithm));
	return dkim_key_public(k, b) && !b->bad;
}

/* --- the keys of a domain ---------------------------------------------------- */

#define SUFFIX ".key"
#define PATH_SIZE 4096

bool
dkim_keys_configured(const struct conf *conf)
{
	return conf->dkim_key[0] != '\0' || conf->dkim_keys[0] != '\0';
}

/* In lower case, like the names of the directories. */
static void
set_name(char to[DKIM_NAME_MAX + 1], struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		to[i] = ascii_lower(name.p[i]);
	to[name.n] = '\0';
}

static enum dkim_keys_result
dkim_key_bad(struct sbuf *why, const char *path, const char *what)
{
	sbuf_addf(why, "%s: %s", path, what);
	return DKIM_KEYS_BAD;
}

/*
 * Adds the key of a file, RSA keys before the others. shown: its whole path.
 */
static enum dkim_keys_result
dkim_key_add(struct dkim_keys *keys, int dir, const char *path,
    const char *shown, struct span domain, struct span selector,
    struct sbuf *why)
{
	struct dkim_key key;
	size_t at = keys->n;

	for (size_t i = 0; i < keys->n; i++) {
		if (span_ieq(span_str(keys->key[i].selector), selector))
			return DKIM_KEYS_FOUND; /* dkim_key itself */
	}
	if (keys->n == DKIM_KEYS_MAX)
		return dkim_key_bad(why, shown, "one key too many");
	sbuf_addf(why, "%s: ", shown);
	if (!dkim_key_load(&key, dir, path, keys->known, why)) {
		dkim_key_free(&key);
		return DKIM_KEYS_BAD;
	}
	sbuf_reset(why);
	set_name(key.domain, domain);
	set_name(key.selector, selector);
	while (key.algorithm == DKIM_KEY_RSA && at > 0 &&
	    keys->key[at - 1].algorithm != DKIM_KEY_RSA) {
		keys->key[at] = keys->key[at - 1];
		at--;
	}
	keys->key[at] = key;
	keys->n++;
	return DKIM_KEYS_FOUND;
}

/* Is it the name of a key? The files that editors leave behind are not. */
static bool
is_key_file(struct span name, struct span *selector)
{
	static const struct span suffix = { SUFFIX, sizeof(SUFFIX) - 1 };

	if (name.n <= suffix.n || name.p[0] == '.' ||
	    !span_eq(span_skip(name, name.n - suffix.n), suffix))
		return false;
	*selector = span_of(name.p, name.n - suffix.n);
	return true;
}

static enum dkim_keys_result
dkim_key_add_entry(struct dkim_keys *keys, int dir, const char *path,
    const char *name, struct span domain, struct sbuf *why)
{
	char shown[PATH_SIZE];
	struct span selector;
	struct sbuf b;

	if (!is_key_file(span_str(name), &selector))
		return DKIM_KEYS_FOUND;
	sbuf_init(&b, sizeof(shown) - 1);
	sbuf_addf(&b, "%s/%s", path, name);
	memcpy(shown, b.s, b.len + 1);
	sbuf_free(&b);
	if (!address_is_domain(selector))
		return dkim_key_bad(why, shown, "its name is not a selector");
	return dkim_key_add(keys, dir, name, shown, domain, selector, why);
}

/* path: the domain's directory. */
static enum dkim_keys_result
dkim_key_add_directory(struct dkim_keys *keys, const char *path,
    struct span domain, struct sbuf *why)
{
	DIR *dir = opendir(path);
	enum dkim_keys_result r = DKIM_KEYS_FOUND;
	struct dirent *e;

	if (dir == NULL && errno == ENOENT)
		return DKIM_KEYS_NONE;
	if (dir == NULL)
		return dkim_key_bad(why, path, strerror(errno));
	errno = 0;
	while (r == DKIM_KEYS_FOUND && (e = readdir(dir)) != NULL) {
		r = dkim_key_add_entry(keys, dirfd(dir), path, e->d_name,
		    domain, why);
		errno = 0;
	}
	if (r == DKIM_KEYS_FOUND && errno != 0)
		r = dkim_key_bad(why, path, strerror(errno));
	(void)closedir(dir);
	return r;
}

static enum dkim_keys_result
find_exactly(struct dkim_keys *keys, const struct conf *conf,
    struct span domain, struct sbuf *why)
{
	char name[DKIM_NAME_MAX + 1];
	enum dkim_keys_result r = DKIM_KEYS_NONE;
	struct sbuf path;

	if (span_ieq(domain, span_str(conf->dkim_domain)))
		r = dkim_key_add(keys, AT_FDCWD, conf->dkim_key, conf->dkim_key,
		    domain, span_str(conf->dkim_selector), why);
	if (r == DKIM_KEYS_BAD || conf->dkim_keys[0] == '\0')
		return r;
	set_name(name, domain);
	sbuf_init(&path, PATH_SIZE - DKIM_NAME_MAX - 2);
	sbuf_addf(&path, "%s/%s", conf->dkim_keys, name);
	r = path.bad ? dkim_key_bad(why, conf->dkim_keys, "name too long") :
		       dkim_key_add_directory(keys, path.s, domain, why);
	sbuf_free(&path);
	if (r == DKIM_KEYS_BAD)
		return r;
	return keys->n > 0 ? DKIM_KEYS_FOUND : DKIM_KEYS_NONE;
}

enum dkim_keys_result
dkim_keys_find_known(struct dkim_keys *keys, struct dkim_key_memory *known,
    const struct conf *conf, struct span domain, struct sbuf *why)
{
	enum dkim_keys_result r = DKIM_KEYS_NONE;

	keys->n = 0;
	keys->known = known;
	if (!address_is_domain(domain) || domain.n > DKIM_NAME_MAX)
		return DKIM_KEYS_NONE;
	while (r == DKIM_KEYS_NONE && domain.n > 0) {
		r = find_exactly(keys, conf, domain, why);
		(void)span_cut(&domain, '.');
	}
	return r;
}

enum dkim_keys_result
dkim_keys_find(struct dkim_keys *keys, const struct conf *conf,
    struct span domain, struct sbuf *why)
{
	return dkim_keys_find_known(keys, NULL, conf, domain, why);
}

void
dkim_keys_free(struct dkim_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		dkim_key_free(&keys->key[i]);
	keys->n = 0;
}
