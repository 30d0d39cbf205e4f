/* SPDX-License-Identifier: ISC */
/* Which keys sign for a domain. */
#include "keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "address.h"

#define SUFFIX ".key"
#define PATH_SIZE 4096

bool
keys_configured(const struct conf *conf)
{
	return conf->dkim_key[0] != '\0' || conf->dkim_keys[0] != '\0';
}

/* Lower case: so are the names of the directories. */
static void
set_name(char to[KEY_NAME_MAX + 1], struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		to[i] = ascii_lower(name.p[i]);
	to[name.n] = '\0';
}

static enum keys_result
bad(struct sbuf *why, const char *path, const char *what)
{
	sbuf_addf(why, "%s %s", path, what);
	return KEYS_BAD;
}

/*
 * Adds the key of a file, those of RSA before the others. shown: its whole
 * path.
 */
static enum keys_result
add(struct keys *keys, int dir, const char *path, const char *shown,
    struct span domain, struct span selector, struct sbuf *why)
{
	struct key key;
	size_t at = keys->n;

	for (size_t i = 0; i < keys->n; i++) {
		if (span_ieq(span_str(keys->key[i].selector), selector))
			return KEYS_FOUND; /* dkim_key itself */
	}
	if (keys->n == KEYS_MAX)
		return bad(why, shown, "is one more than can be used");
	sbuf_addf(why, "%s ", shown);
	if (!key_load(&key, dir, path, keys->known, why)) {
		key_free(&key);
		return KEYS_BAD;
	}
	sbuf_reset(why);
	set_name(key.domain, domain);
	set_name(key.selector, selector);
	while (key.algorithm == KEY_RSA && at > 0 &&
	    keys->key[at - 1].algorithm != KEY_RSA) {
		keys->key[at] = keys->key[at - 1];
		at--;
	}
	keys->key[at] = key;
	keys->n++;
	return KEYS_FOUND;
}

/* Is it the name of a key? Others, and what an editor leaves, are not. */
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

static enum keys_result
add_entry(struct keys *keys, int dir, const char *path, const char *name,
    struct span domain, struct sbuf *why)
{
	char shown[PATH_SIZE];
	struct span selector;
	struct sbuf b;

	if (!is_key_file(span_str(name), &selector))
		return KEYS_FOUND;
	sbuf_init(&b, sizeof(shown) - 1);
	sbuf_addf(&b, "%s/%s", path, name);
	memcpy(shown, b.s, b.len + 1);
	sbuf_free(&b);
	if (!address_is_domain(selector))
		return bad(why, shown, "is not named after a selector");
	return add(keys, dir, name, shown, domain, selector, why);
}

/* path: of the domain's directory. */
static enum keys_result
add_directory(struct keys *keys, const char *path, struct span domain,
    struct sbuf *why)
{
	DIR *dir = opendir(path);
	enum keys_result r = KEYS_FOUND;
	struct dirent *e;

	if (dir == NULL && errno == ENOENT)
		return KEYS_NONE;
	if (dir == NULL)
		return bad(why, path, strerror(errno));
	errno = 0;
	while (r == KEYS_FOUND && (e = readdir(dir)) != NULL) {
		r = add_entry(keys, dirfd(dir), path, e->d_name, domain, why);
		errno = 0;
	}
	if (r == KEYS_FOUND && errno != 0)
		r = bad(why, path, strerror(errno));
	(void)closedir(dir);
	return r;
}

static enum keys_result
find_exactly(struct keys *keys, const struct conf *conf, struct span domain,
    struct sbuf *why)
{
	char name[KEY_NAME_MAX + 1];
	enum keys_result r = KEYS_NONE;
	struct sbuf path;

	if (span_ieq(domain, span_str(conf->dkim_domain)))
		r = add(keys, AT_FDCWD, conf->dkim_key, conf->dkim_key, domain,
		    span_str(conf->dkim_selector), why);
	if (r == KEYS_BAD || conf->dkim_keys[0] == '\0')
		return r;
	set_name(name, domain);
	sbuf_init(&path, PATH_SIZE - KEY_NAME_MAX - 2);
	sbuf_addf(&path, "%s/%s", conf->dkim_keys, name);
	r = path.bad ? bad(why, conf->dkim_keys, "is too long a path") :
		       add_directory(keys, path.s, domain, why);
	sbuf_free(&path);
	if (r == KEYS_BAD)
		return r;
	return keys->n > 0 ? KEYS_FOUND : KEYS_NONE;
}

enum keys_result
keys_find_known(struct keys *keys, struct key_memory *known,
    const struct conf *conf, struct span domain, struct sbuf *why)
{
	enum keys_result r = KEYS_NONE;

	keys->n = 0;
	keys->known = known;
	if (!address_is_domain(domain) || domain.n > KEY_NAME_MAX)
		return KEYS_NONE;
	while (r == KEYS_NONE && domain.n > 0) {
		r = find_exactly(keys, conf, domain, why);
		(void)span_cut(&domain, '.');
	}
	return r;
}

enum keys_result
keys_find(struct keys *keys, const struct conf *conf, struct span domain,
    struct sbuf *why)
{
	return keys_find_known(keys, NULL, conf, domain, why);
}

void
keys_free(struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		key_free(&keys->key[i]);
	keys->n = 0;
}
