/* SPDX-License-Identifier: ISC */
/* Looks up a mailbox, for smtpd-rcpt and smtpd-lspawn. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "user.h"

#define UID_NOBODY 65534
#define NSS_ROOM 16384 /* for an entry; a larger one is an error */

bool
user_name_valid(struct span name)
{
	if (name.n == 0 || name.n > USER_NAME_MAX)
		return false;
	if (name.p[0] == '.' || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c <= ' ' || c > '~' || c == '/' || c == ':')
			return false;
	}
	return true;
}

/* The answer of NSS, which user_find_account may not believe. */
static enum user_result
user_ask_nss(const char *name, struct user *u)
{
	char text[NSS_ROOM];
	struct passwd pw, *found;
	size_t n;
	int r;

	do {
		r = getpwnam_r(name, &pw, text, sizeof(text), &found);
	} while (r == EINTR);
	if (r != 0) {
		errno = r;
		return USER_CANNOT;
	}
	if (found == NULL)
		return USER_UNKNOWN;
	n = strlen(pw.pw_dir);
	if (n >= sizeof(u->home)) {
		errno = ENAMETOOLONG;
		return USER_CANNOT;
	}
	memcpy(u->home, pw.pw_dir, n + 1);
	u->uid = pw.pw_uid;
	u->gid = pw.pw_gid;
	return USER_FOUND;
}

/*
 * nss-systemd makes up these two when /etc/passwd cannot be read: finding them
 * proves nothing.
 */
static bool
user_is_made_up(const char *name)
{
	return strcmp(name, "root") == 0 || strcmp(name, "nobody") == 0;
}

/*
 * Is nss_sentinel found (FOUND, also with mailbox_root, which needs none), or
 * not now (CANNOT)? UNKNOWN: its name can prove nothing.
 */
static enum user_result
user_sentinel(const struct conf *conf)
{
	struct user u;

	if (conf->mailbox_root[0] != '\0')
		return USER_FOUND;
	if (user_is_made_up(conf->nss_sentinel))
		return USER_UNKNOWN;
	if (user_ask_nss(conf->nss_sentinel, &u) == USER_FOUND)
		return USER_FOUND;
	errno = ENODATA;
	return USER_CANNOT;
}

void
user_check_sentinel(const struct conf *conf)
{
	switch (user_sentinel(conf)) {
	case USER_FOUND:
		break;
	case USER_UNKNOWN:
		die(EXIT_PERM,
		    "nss_sentinel: '%s' is found even when /etc/passwd cannot "
		    "be read: name another account",
		    conf->nss_sentinel);
	case USER_CANNOT:
		die(EXIT_TEMP,
		    "nss_sentinel: account '%s' does not exist, or cannot be "
		    "looked up now",
		    conf->nss_sentinel);
	}
}

/*
 * NSS answers "no such user" also when it cannot read its files. So that answer
 * counts only if an account that must exist is found afterwards.
 */
static enum user_result
user_find_account(const struct conf *conf, struct user *u)
{
	switch (user_ask_nss(u->name, u)) {
	case USER_FOUND:
		if (u->uid == 0 || u->uid == UID_NOBODY ||
		    u->uid == (uid_t)-1 || u->uid < conf->min_uid)
			return USER_UNKNOWN;
		return USER_FOUND;
	case USER_UNKNOWN:
		break;
	case USER_CANNOT:
		return USER_CANNOT;
	}
	return user_sentinel(conf) == USER_FOUND ? USER_UNKNOWN : USER_CANNOT;
}

static bool
user_is_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

static enum user_result
user_find_folder(const struct conf *conf, struct user *u)
{
	int n = snprintf(u->home, sizeof(u->home), "%s/%s", conf->mailbox_root,
	    u->name);

	if (n < 0 || (size_t)n >= sizeof(u->home)) {
		errno = ENAMETOOLONG;
		return USER_CANNOT;
	}
	u->uid = geteuid();
	u->gid = getegid();
	if (user_is_directory(u->home))
		return USER_FOUND;
	if (errno != ENOENT && errno != ENOTDIR)
		return USER_CANNOT;
	return user_is_directory(conf->mailbox_root) ? USER_UNKNOWN :
						       USER_CANNOT;
}

enum user_result
user_find(const struct conf *conf, struct span name, struct user *u)
{
	if (!user_name_valid(name))
		return USER_UNKNOWN;
	memcpy(u->name, name.p, name.n);
	u->name[name.n] = '\0';
	return conf->mailbox_root[0] != '\0' ? user_find_folder(conf, u) :
					       user_find_account(conf, u);
}

enum user_result
user_find_folded(const struct conf *conf, struct span name, struct user *u)
{
	enum user_result r = user_find(conf, name, u);
	char folded[USER_NAME_MAX];
	bool differs = false;

	if (r != USER_UNKNOWN || name.n > sizeof(folded))
		return r;
	for (size_t i = 0; i < name.n; i++) {
		folded[i] = ascii_lower(name.p[i]);
		differs |= folded[i] != name.p[i];
	}
	return differs ? user_find(conf, span_of(folded, name.n), u) : r;
}
