/* SPDX-License-Identifier: ISC */
/* Makes a DKIM key for smtpd-sign, and prints its DNS record. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "address.h"
#include "bufio.h"
#include "dkim-keys.h"
#include "program.h"
#include "../../common/records/records.h"

#define USAGE "domain [selector [rsa [bits] | ed25519]]"
#define KEYMAKE_BITS_MIN 2048 /* of RSA: RFC 8301 3.2 advises no less */
#define KEYMAKE_BITS_MAX 4096 /* verifiers need not take more */
#define TEXT_MAX 65536
#define NAME_SIZE (DKIM_NAME_MAX + 16)

_Noreturn static void
dkim_tool_die_usage(void)
{
	die(EXIT_PERM, "usage: %s [-c file] [-o name=value] ... %s", progname,
	    USAGE);
}

/* --- a new key -------------------------------------------------------------- */

static EVP_PKEY *
dkim_tool_generate(enum dkim_algorithm a, unsigned bits)
{
	switch (a) {
	case DKIM_KEY_RSA:
		return EVP_RSA_gen(bits);
	case DKIM_KEY_ED25519:
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

static bool
keymake(struct dkim_key *k, enum dkim_algorithm a, unsigned bits)
{
	EVP_PKEY *pkey;
	bool good;

	*k = (struct dkim_key){ .algorithm = a };
	sbuf_init(&k->pem, DKIM_KEY_FILE_MAX);
	dkim_keys_start_crypto();
	pkey = dkim_tool_generate(a, bits);
	if (pkey == NULL)
		return false;
	k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
	good = write_pem(&k->pem, pkey);
	EVP_PKEY_free(pkey);
	return good;
}

/* --- where it is kept ------------------------------------------------------- */

/* The owner of new keys: that of the directory of all keys. */
struct owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * If the directory belongs to root and a group, the group may read the keys
 * and change none of them. Otherwise only the owner may read them.
 */
static mode_t
key_mode(const struct owner *o)
{
	return o->uid == 0 && o->gid != 0 ? 0440 : 0400;
}

static int
open_keys(const struct conf *conf, struct owner *o)
{
	const char *path = conf->dkim_keys;
	struct stat st;
	int fd;

	if (path[0] == '\0')
		die(EXIT_PERM, "the setting dkim_keys is empty");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		die_sys(EXIT_PERM, "cannot open dkim_keys '%s'", path);
	*o = (struct owner){ st.st_uid, st.st_gid, st.st_mode & 0750 };
	if (geteuid() == 0 && o->uid == 0 && o->gid == 0)
		warn("'%s' belongs to user and group root: smtpd-sign will not "
		     "be able to read the key",
		    path);
	return fd;
}

/* The owner of the directory might put a link there: do not follow it. */
static int
open_domain(int keys, const char *domain, const struct owner *o)
{
	bool made = mkdirat(keys, domain, 0700) == 0;
	int fd;

	if (!made && errno != EEXIST)
		die_sys(EXIT_TEMP, "cannot make directory '%s'", domain);
	fd = openat(keys, domain,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open directory '%s'", domain);
	if (made &&
	    ((geteuid() == 0 && fchown(fd, o->uid, o->gid) == -1) ||
		fchmod(fd, o->mode | 0500) == -1 || fsync(keys) == -1))
		die_sys(EXIT_TEMP, "cannot set the owner of directory '%s'",
		    domain);
	return fd;
}

static bool
dkim_tool_write_file(int fd, const struct dkim_key *k, const struct owner *o)
{
	return io_write(fd, k->pem.s, k->pem.len, NEVER) == IO_OK &&
	    (geteuid() != 0 || fchown(fd, o->uid, o->gid) == 0) &&
	    fchmod(fd, key_mode(o)) == 0 && fsync(fd) == 0;
}

/*
 * Under a name that smtpd-sign ignores until the key is complete. Another key
 * is never replaced.
 */
static void
dkim_tool_store(int dir, const struct dkim_key *k, const struct owner *o)
{
	char name[NAME_SIZE], new[NAME_SIZE];
	int fd, err = 0;

	(void)snprintf(name, sizeof(name), "%s.key", k->selector);
	(void)snprintf(new, sizeof(new), ".%s.new", k->selector);
	(void)unlinkat(dir, new, 0); /* left by a process that was killed */
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot make '%s/%s'", k->domain, new);
	if (!dkim_tool_write_file(fd, k, o) ||
	    linkat(dir, new, dir, name, 0) == -1 || fsync(dir) == -1)
		err = errno;
	(void)close(fd);
	(void)unlinkat(dir, new, 0);
	errno = err;
	if (err == EEXIST)
		die(EXIT_PERM,
		    "'%s/%s' exists already: give the new key another selector",
		    k->domain, name);
	if (err != 0)
		die_sys(EXIT_TEMP, "cannot make '%s/%s'", k->domain, name);
}

/* --- the record ----------------------------------------------------------- */

static void
add_record(struct sbuf *b, const struct dkim_key *k)
{
	struct sbuf name, text;

	sbuf_init(&name, NAME_SIZE * 2);
	sbuf_addf(&name, "%s._domainkey.%s", k->selector, k->domain);
	sbuf_init(&text, TEXT_MAX);
	if (!dkim_key_record(k, &text) || name.bad)
		die(EXIT_TEMP, "cannot compute the public key");
	records_txt(b, sbuf_span(&name), sbuf_span(&text));
	sbuf_free(&name);
	sbuf_free(&text);
}

static void
dkim_tool_print(const struct sbuf *b)
{
	if (b->bad)
		die(EXIT_TEMP, "out of memory");
	if (io_write(1, b->s, b->len, NEVER) != IO_OK)
		die_sys(EXIT_TEMP, "cannot write");
}

/* Prints the records of the keys that exist. */
static void
dkim_tool_show(const struct conf *conf, const char *domain)
{
	struct sbuf b, why;
	struct dkim_keys keys;

	sbuf_init(&b, TEXT_MAX);
	sbuf_init(&why, TEXT_MAX);
	switch (dkim_keys_find(&keys, conf, span_str(domain), &why)) {
	case DKIM_KEYS_FOUND:
		break;
	case DKIM_KEYS_NONE:
		die(EXIT_PERM, "no key for '%s'", domain);
	case DKIM_KEYS_BAD:
		die(EXIT_PERM, "%s", why.s);
	}
	for (size_t i = 0; i < keys.n; i++)
		add_record(&b, &keys.key[i]);
	dkim_tool_print(&b);
	dkim_keys_free(&keys);
	sbuf_free(&b);
	sbuf_free(&why);
}

/* --- what was asked for ----------------------------------------------------- */

static enum dkim_algorithm
parse_algorithm(char *const operands[], unsigned *bits)
{
	uint32_t n = KEYMAKE_BITS_MIN;

	*bits = n;
	if (operands[0] == NULL)
		return DKIM_KEY_RSA;
	if (strcmp(operands[0], "ed25519") == 0 && operands[1] == NULL)
		return DKIM_KEY_ED25519;
	if (strcmp(operands[0], "rsa") != 0 ||
	    (operands[1] != NULL && operands[2] != NULL))
		dkim_tool_die_usage();
	if (operands[1] != NULL &&
	    (!span_u32(span_str(operands[1]), KEYMAKE_BITS_MAX, &n) ||
		n < KEYMAKE_BITS_MIN))
		die(EXIT_PERM, "an RSA key has %d to %d bits", KEYMAKE_BITS_MIN,
		    KEYMAKE_BITS_MAX);
	*bits = n;
	return DKIM_KEY_RSA;
}

/* In lower case, like the name of a directory. */
static void
copy_name(char to[DKIM_NAME_MAX + 1], const char *name, const char *what)
{
	struct span s = span_str(name);

	if (!address_is_domain(s) || s.n > DKIM_NAME_MAX)
		die(EXIT_PERM, "'%.300s' is not a %s", name, what);
	for (size_t i = 0; i <= s.n; i++)
		to[i] = ascii_lower(name[i]);
}

static void
dkim_tool_make(const struct conf *conf, const char *domain,
    char *const operands[])
{
	char selector[DKIM_NAME_MAX + 1];
	struct owner owner;
	struct sbuf b;
	struct dkim_key k;
	enum dkim_algorithm algorithm;
	unsigned bits;
	int keys, dir;

	copy_name(selector, operands[0], "selector");
	algorithm = parse_algorithm(operands + 1, &bits);
	keys = open_keys(conf, &owner);
	if (!keymake(&k, algorithm, bits))
		die(EXIT_TEMP, "libcrypto cannot make a key");
	memcpy(k.domain, domain, strlen(domain) + 1);
	memcpy(k.selector, selector, sizeof(selector));
	dir = open_domain(keys, domain, &owner);
	dkim_tool_store(dir, &k, &owner);
	sbuf_init(&b, TEXT_MAX);
	add_record(&b, &k);
	dkim_tool_print(&b);
	sbuf_free(&b);
	dkim_key_free(&k);
	(void)close(dir);
	(void)close(keys);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	char domain[DKIM_NAME_MAX + 1];
	char *const *operands;

	operands = argv +
	    program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT, USAGE);
	if (operands[0] == NULL)
		dkim_tool_die_usage();
	copy_name(domain, operands[0], "domain name");
	if (operands[1] == NULL)
		dkim_tool_show(&conf, domain);
	else
		dkim_tool_make(&conf, domain, operands + 1);
	return EXIT_OK;
}
