/* SPDX-License-Identifier: ISC */
/* Checks at start what a resident program needs. */
#include <sys/resource.h>

#include "log.h"
#include "startup.h"
#include "user.h"

#define MORE 32 /* the log, the listening socket, files that NSS opens */
#define FEWEST 4

size_t
startup_descriptors(size_t want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		die_sys(EXIT_TEMP, "cannot get the limit of descriptors");
	if (r.rlim_cur < want + MORE) {
		r.rlim_cur = r.rlim_max < want + MORE ? r.rlim_max :
							want + MORE;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			die_sys(EXIT_TEMP,
			    "cannot raise the limit of descriptors");
	}
	if (r.rlim_cur >= want + MORE)
		return want;
	if (r.rlim_cur < FEWEST + MORE)
		die(EXIT_TEMP, "%llu descriptors are too few",
		    (unsigned long long)r.rlim_cur);
	warn("room for only %llu connections, not for %zu: raise the limit of "
	     "descriptors",
	    (unsigned long long)r.rlim_cur - MORE, want);
	return (size_t)r.rlim_cur - MORE;
}

void
startup_sentinel(const struct conf *conf)
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
