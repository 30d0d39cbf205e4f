/* SPDX-License-Identifier: ISC */
/* What is right in a configuration, but hardly what one wants. */
#include "doubt.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "address.h"
#include "ip.h"
#include "log.h"
#include "readfile.h"

#define SUFFIX SPAN(".key")

/* --- DKIM: as smtpd-sign will find it, as far as one knows unread --------- */

static bool
is_below(struct span domain, struct span above)
{
	return span_ieq(domain, above) ||
	    (domain.n > above.n && domain.p[domain.n - above.n - 1] == '.' &&
		span_ieq(span_skip(domain, domain.n - above.n), above));
}

static void
doubt_dkim_domain(const struct conf *conf)
{
	struct span rest = span_str(conf->local_domains), word;

	while ((word = span_word(&rest)).n > 0) {
		if (is_below(word, span_str(conf->dkim_domain)))
			return;
	}
	if (!is_below(span_str(conf->hostname), span_str(conf->dkim_domain)))
		warn("dkim_domain '%s' is none of local_domains, nor above one",
		    conf->dkim_domain);
}

/* shown, name: the parts of its path, in what is said of it. */
static void
doubt_key(int dir, const char *file, const char *shown, const char *name)
{
	struct stat st;

	if (fstatat(dir, file, &st, 0) == -1)
		warn_sys("DKIM key '%s%s'", shown, name);
	else if (!S_ISREG(st.st_mode))
		warn("DKIM key '%s%s' is no file: mail of its domain will wait",
		    shown, name);
	else if (readfile_is_lax(&st, READFILE_SHARED_SECRET))
		warn("DKIM key '%s%s' can be used by others: mail of its "
		     "domain will wait",
		    shown, name);
}

/* Is it the name of a key, as smtpd-sign sees it? */
static bool
is_key(struct span name, struct span *selector)
{
	if (name.n <= SUFFIX.n || name.p[0] == '.' ||
	    !span_eq(span_skip(name, name.n - SUFFIX.n), SUFFIX))
		return false;
	*selector = span_of(name.p, name.n - SUFFIX.n);
	return true;
}

static void
doubt_keys_of(int fd, const char *domain)
{
	char shown[NAME_MAX + 2];
	struct span selector;
	struct dirent *e;
	DIR *dir = fdopendir(fd);

	if (dir == NULL) {
		(void)close(fd);
		return;
	}
	(void)snprintf(shown, sizeof(shown), "%s/", domain);
	while ((e = readdir(dir)) != NULL) {
		if (!is_key(span_str(e->d_name), &selector))
			continue;
		if (!address_is_domain(selector))
			warn("DKIM key '%s%s' is not named after a selector: "
			     "mail of its domain will wait",
			    shown, e->d_name);
		else
			doubt_key(fd, e->d_name, shown, e->d_name);
	}
	(void)closedir(dir);
}

static bool
is_lower(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ascii_lower(s.p[i]))
			return false;
	}
	return true;
}

static void
doubt_domain(int keys, const char *name)
{
	struct span domain = span_str(name);
	int fd = openat(keys, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1) {
		warn_sys("dkim_keys: '%s'", name);
	} else if (!address_is_domain(domain) || !is_lower(domain)) {
		warn("dkim_keys: '%s' is no domain name in lower case: what is "
		     "there signs nothing",
		    name);
		(void)close(fd);
	} else {
		doubt_keys_of(fd, name);
	}
}

/* Who cannot look into it, as most users cannot, is not told of it. */
static void
doubt_dkim_keys(const struct conf *conf)
{
	DIR *dir = opendir(conf->dkim_keys);
	struct dirent *e;

	if (dir == NULL) {
		if (errno != EACCES &&
		    (errno != ENOENT || conf->dkim_key[0] != '\0'))
			warn_sys("dkim_keys '%s'", conf->dkim_keys);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			doubt_domain(dirfd(dir), e->d_name);
	}
	(void)closedir(dir);
}

static void
doubt_dkim(const struct conf *conf)
{
	if (conf->dkim_keys[0] != '\0')
		doubt_dkim_keys(conf);
	if (conf->dkim_key[0] == '\0')
		return;
	doubt_dkim_domain(conf);
	doubt_key(AT_FDCWD, conf->dkim_key, conf->dkim_key, "");
}

/* --- the rest ------------------------------------------------------------- */

static void
doubt_resolver(const struct conf *conf)
{
	struct span rest = span_str(conf->resolver), word;
	union endpoint at;
	struct ip ip;

	while ((word = span_word(&rest)).n > 0) {
		if (!endpoint_parse(word, 53, &at))
			continue;
		ip = endpoint_ip(&at);
		if (!ip_is_loopback(&ip))
			warn("resolver '%.*s' is not on this host: its answers "
			     "can be forged on the way; run a validating one "
			     "(unbound) here",
			    (int)word.n, word.p);
	}
}

/* What lets mail in that nobody has judged. */
static void
doubt_checks(const struct conf *conf)
{
	if (strcmp(conf->checks, "no") == 0 &&
	    strcmp(conf->spf_reject, "yes") == 0)
		warn("spf_reject is nothing without checks: mail from "
		     "strangers is not checked");
	if (strcmp(conf->checks, "yes") == 0 &&
	    strcmp(conf->dmarc, "enforce") == 0 &&
	    strcmp(conf->unjudged, "accept") == 0)
		warn("unjudged = accept: while smtpd-judge is away, mail is "
		     "accepted that its domain asks to refuse");
}

void
doubt(const struct conf *conf)
{
	doubt_resolver(conf);
	doubt_checks(conf);
	doubt_dkim(conf);
	doubt_remote(conf);
}
