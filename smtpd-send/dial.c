/* SPDX-License-Identifier: ISC */
/* Opening a helper from a poll loop: connect without waiting, or exec. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dial.h"
#include "helper.h"

/*
 * A path at which there is nothing (yet) is taken for a socket whose program
 * is still to come: a resident program must not conclude otherwise for good.
 */
bool
dial_is_command(const char *spec)
{
	struct span rest = span_str(spec), word = span_word(&rest);
	struct stat st;

	if (span_word(&rest).n > 0 || word.n != strlen(spec))
		return true;
	return stat(spec, &st) == 0 && S_ISREG(st.st_mode);
}

static int
dial_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd, saved;

	if (n >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

int
dial(const char *spec, const struct conf *conf)
{
	int fd, saved;

	if (!dial_is_command(spec))
		return dial_socket(spec);
	fd = helper_open(spec, conf);
	if (fd == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) != -1)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}
