/* SPDX-License-Identifier: ISC */
/* The files of smtpd-remote, as far as others can see them. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "doubt.h"
#include "log.h"
#include "readfile.h"

/* Who demands nothing of servers needs none: the default may not be there. */
static void
doubt_authorities(const struct conf *conf)
{
	int fd;

	if (conf->tls_policy[0] == '\0' && conf->remote_passwords[0] == '\0')
		return;
	fd = open(conf->tls_authorities, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		warn_sys("tls_authorities '%s' (mail with the tls_policy "
			 "verify will wait)",
		    conf->tls_authorities);
	else
		(void)close(fd);
}

/* smtpd-remote is never root, and takes no file of another's. */
static void
doubt_passwords(const struct conf *conf)
{
	const char *path = conf->remote_passwords;
	struct stat st;

	if (path[0] == '\0')
		return;
	if (stat(path, &st) == -1) {
		if (errno != EACCES)
			warn_sys("remote_passwords '%s'", path);
	} else if (!S_ISREG(st.st_mode) ||
	    readfile_is_lax(&st, READFILE_SECRET) || st.st_uid == 0) {
		warn("remote_passwords '%s' must be a file of smtpd-remote's "
		     "user and of mode 0400: mail in routes will wait",
		    path);
	}
}

void
doubt_remote(const struct conf *conf)
{
	doubt_authorities(conf);
	doubt_passwords(conf);
}
