/* SPDX-License-Identifier: ISC */
/* Fits the number of connections into the limit of descriptors. */
#include <sys/resource.h>

#include "descriptors.h"
#include "log.h"

#define MORE 32 /* the log, the listening socket, files that NSS opens */
#define FEWEST 4

size_t
descriptors_for(size_t want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		die_sys(EXIT_TEMP, "cannot learn the limit of descriptors");
	if (r.rlim_cur < want + MORE) {
		r.rlim_cur = r.rlim_max < want + MORE ? r.rlim_max
						      : want + MORE;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			die_sys(EXIT_TEMP,
			    "cannot raise the limit of descriptors");
	}
	if (r.rlim_cur >= want + MORE)
		return want;
	if (r.rlim_cur < FEWEST + MORE)
		die(EXIT_TEMP, "%llu descriptors are too few",
		    (unsigned long long)r.rlim_cur);
	warn("there is room for %llu connections only, not for %zu: raise "
	     "the limit of descriptors",
	    (unsigned long long)r.rlim_cur - MORE, want);
	return (size_t)r.rlim_cur - MORE;
}
