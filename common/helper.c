/* SPDX-License-Identifier: ISC */
/* Opening a helper, which is a socket path or a command. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper.h"
#include "bufio.h"
#include "proc.h"

#define DIAL_SECONDS 10

static bool
helper_is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool
helper_is_command(const char *spec)
{
	struct span rest = span_str(spec), word = span_word(&rest);
	struct stat st;

	return span_trim(rest).n > 0 ||
	    (word.n > 0 && stat(spec, &st) == 0 && S_ISREG(st.st_mode) &&
		(st.st_mode & 0111) != 0);
}

int
helper_dial(const char *path)
{
	static const struct timeval patience = { .tv_sec = DIAL_SECONDS };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* connect waits while the backlog is full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == -1)
		return io_close(fd);
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		if (errno != EINTR)
			return io_close(fd);
	return fd;
}

static int
helper_start(char *const words[], const struct conf *conf)
{
	size_t nwords = 0, nargs = conf == NULL ? 0 : conf->nargs;
	int sv[2];
	char **argv;
	pid_t pid;

	while (words[nwords] != NULL)
		nwords++;
	argv = calloc(nwords + nargs + 1, sizeof(*argv));
	if (argv == NULL)
		return -1;
	argv[0] = words[0];
	for (size_t i = 0; i < nargs; i++)
		argv[1 + i] = (char *)(uintptr_t)conf->args[i];
	for (size_t i = 1; i < nwords; i++)
		argv[nargs + i] = words[i];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1) {
		free(argv);
		return -1;
	}
	pid = proc_spawn(words[0], argv, NULL,
	    (const struct proc_fd[]){ { 0, sv[1] }, { 1, sv[1] }, { 2, 2 } },
	    3);
	free(argv);
	if (pid == -1)
		(void)io_close(sv[1]);
	else
		(void)close(sv[1]);
	return pid == -1 ? io_close(sv[0]) : sv[0];
}

int
helper_openv(char *const words[], const struct conf *conf)
{
	if (words[0] == NULL || words[0][0] != '/') {
		errno = EINVAL;
		return -1;
	}
	if (words[1] == NULL && helper_is_socket(words[0]))
		return helper_dial(words[0]);
	/* A socket whose listener is gone must not be taken for a command. */
	if (access(words[0], X_OK) == -1)
		return -1;
	return helper_start(words, conf);
}

int
helper_open(const char *spec, const struct conf *conf)
{
	char *one[] = { (char *)(uintptr_t)spec, NULL };
	struct span rest, word;
	char *text, **words;
	size_t n = 0;
	int fd = -1, saved;

	/* A path alone needs no memory. */
	if (strpbrk(spec, " \t") == NULL)
		return helper_openv(one, conf);
	text = strdup(spec);
	words = calloc(strlen(spec) / 2 + 2, sizeof(*words));
	if (text != NULL && words != NULL) {
		rest = span_str(text);
		while ((word = span_word(&rest)).n > 0) {
			words[n] = text + (word.p - text);
			rest = span_skip(rest, 1);
			words[n++][word.n] = '\0';
		}
		fd = helper_openv(words, conf);
	}
	saved = errno;
	free(words);
	free(text);
	errno = saved;
	return fd;
}
